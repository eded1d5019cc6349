//! `rag.build_context`: what the LLM reads.

use llasta_telemetry::schema::rag::BuildContext;

use super::Service;
use crate::api::chat::ChatRequest;
use crate::generate::{self, StreamOptions};
use crate::pipeline::{self, SearchResult};

/// A chat request that is ready for the LLM.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) request: generate::ChatRequest,
    pub(super) sources: Vec<SearchResult>,
}

/// Builds the context block and puts it into the conversation.
pub(super) fn prepare(
    service: &Service,
    request: &ChatRequest,
    found: &[SearchResult],
) -> Prepared {
    let limit = service.config.max_context_chars;
    let span = BuildContext::start(found.len(), limit);
    let mut messages = request.messages.clone();
    let context = span.in_scope(|| {
        let context = pipeline::build_context(found, limit);
        pipeline::insert_context(&mut messages, &context);
        if !request.think_mode {
            pipeline::disable_thinking(&mut messages);
        }
        context
    });
    let sent = context.chunks.len();
    span.finish(sent, context.chars);
    service.metrics.rag_chunks_sent().observe(sent as f64);
    service.metrics.rag_chunks().add(sent as u64);
    Prepared {
        request: generate::ChatRequest {
            model: service.config.model.clone(),
            messages,
            stream: request.stream,
            stream_options: request.stream.then_some(StreamOptions {
                include_usage: true,
            }),
            temperature: Some(request.temperature),
            max_tokens: request.max_tokens,
        },
        sources: context.chunks,
    }
}
