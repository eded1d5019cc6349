//! `rag.build_context`: what the LLM reads.

use llasta_telemetry::schema::rag::BuildContext;

use super::Service;
use super::fit::{self, Fitting, Room};
use crate::api::chat::{ChatRequest, Source};
use crate::generate::{self, ChatMessage, StreamOptions};
use crate::pipeline::{self, SearchResult};

/// A chat request that is ready for the LLM.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) request: generate::ChatRequest,
    pub(super) sources: Vec<Source>,
}

/// Builds the context block and puts it into the conversation, of both as much as there is room for.
pub(super) async fn prepare(
    service: &Service,
    request: &ChatRequest,
    found: &[SearchResult],
    room: Option<Room>,
) -> Prepared {
    let limit = service.config.max_context_chars;
    let span = BuildContext::start(found.len(), limit);
    let building = build(service, request, found, room);
    let (messages, context) = span.run(building).await;
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
        sources: Source::numbered(context.chunks),
    }
}

async fn build(
    service: &Service,
    request: &ChatRequest,
    found: &[SearchResult],
    room: Option<Room>,
) -> (Vec<ChatMessage>, pipeline::Context) {
    let limit = service.config.max_context_chars;
    let mut context = pipeline::build_context(found, limit);
    let mut messages = request.messages.clone();
    if let Some(room) = room {
        let Fitting { keeps, passages } = fit::fit(service, room, &messages, &context.chunks).await;
        let turned_away = keeps.iter().filter(|keeps| !**keeps).count();
        if turned_away > 0 || passages < context.chunks.len() {
            tracing::info!(
                messages = turned_away,
                passages = context.chunks.len() - passages,
                "left out: the LLM's window has no room for them"
            );
        }
        if passages < context.chunks.len() {
            context = pipeline::build_context(&context.chunks[..passages], limit);
        }
        let mut keeps = keeps.into_iter();
        messages.retain(|_| keeps.next().unwrap_or(true));
    }
    pipeline::insert_context(&mut messages, &context);
    if !request.think_mode {
        pipeline::disable_thinking(&mut messages);
    }
    (messages, context)
}
