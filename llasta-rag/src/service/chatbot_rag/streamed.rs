//! The answer as the LLM writes it.
//!
//! The stream is pulled: what the browser does not take, the LLM does not send, and a browser that
//! leaves drops the stream and with it the request to the LLM.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::{StreamExt, stream};
use llasta_telemetry::context;
use llasta_telemetry::http::Failure;
use llasta_telemetry::llm::{ChatCall, Part};
use serde_json::json;

use super::Service;
use super::context::Prepared;
use super::handover::Handover;
use super::llm::{self, LlmError};
use super::whole::Said;
use crate::api::chat::{Source, StreamEnd, StreamPiece};
use crate::generate::{ChatChunk, ChatRequest, SseParser, Usage};

/// How long the end of a stream may take after its `[DONE]`.
const AFTER_DONE: Duration = Duration::from_secs(1);

pub(super) fn answer(service: Arc<Service>, prepared: Prepared) -> Response {
    let failure = Failure::default();
    let state = Streaming {
        service,
        step: Step::Ask(prepared.request),
        call: None,
        said: Said::default(),
        usage: None,
        sources: prepared.sources,
        finished: false,
        waiting: VecDeque::new(),
        white: None,
        handover: None,
        failure: failure.clone(),
    };
    let events = stream::unfold(state, |mut state| async move {
        let event = state.next().await?;
        Some((Ok::<_, Infallible>(event), state))
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // A proxy that collects the stream would make one piece of it.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response.extensions_mut().insert(failure);
    response
}

/// A streamed answer under way. Dropping it anywhere settles what it holds.
struct Streaming {
    service: Arc<Service>,
    step: Step,
    call: Option<ChatCall>,
    said: Said,
    usage: Option<Usage>,
    sources: Vec<Source>,
    /// Whether the LLM has said why it ended.
    finished: bool,
    /// Events that are ready to go.
    waiting: VecDeque<Bytes>,
    /// White space of the answer that goes with what follows it; `None` before its first word.
    white: Option<String>,
    handover: Option<Handover>,
    failure: Failure,
}

enum Step {
    Ask(ChatRequest),
    Read { chunks: Chunks, parser: SseParser },
    Ended,
}

type Chunks = futures_util::stream::BoxStream<'static, reqwest::Result<Bytes>>;

impl Streaming {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.handover
                    .get_or_insert_with(Handover::start)
                    .sent(event.len());
                return Some(event);
            }
            let done = match std::mem::replace(&mut self.step, Step::Ended) {
                Step::Ask(request) => self.ask(request).await,
                Step::Read { chunks, parser } => self.read(chunks, parser).await,
                Step::Ended => {
                    // The last event has been taken: it has been handed over.
                    self.handover = None;
                    return None;
                }
            };
            if let Err(error) = done {
                self.fail(&error);
            }
        }
    }

    async fn ask(&mut self, request: ChatRequest) -> Result<(), LlmError> {
        let (call, body) = llm::begin(&self.service, &request);
        let call = self.call.insert(call);
        let response = llm::send(&self.service, call, body, true).await?;
        self.step = Step::Read {
            chunks: response.bytes_stream().boxed(),
            parser: SseParser::default(),
        };
        Ok(())
    }

    async fn read(&mut self, mut chunks: Chunks, mut parser: SseParser) -> Result<(), LlmError> {
        let limit = self.service.config.llm_timeout;
        let bytes = match tokio::time::timeout(limit, chunks.next()).await {
            Err(_) => return Err(LlmError::Silence(limit)),
            Ok(Some(bytes)) => bytes.map_err(LlmError::Body)?,
            Ok(None) => return self.cut_off(parser),
        };
        for event in parser
            .push(&bytes)
            .map_err(|error| LlmError::Answer(error.to_string()))?
        {
            if event.is_done() {
                // Read to its end, the connection can be used again and the request's span ends
                // before the call's does.
                let _ = tokio::time::timeout(AFTER_DONE, chunks.next()).await;
                drop(chunks);
                self.complete();
                return Ok(());
            }
            self.chunk(&event.data)?;
        }
        self.step = Step::Read { chunks, parser };
        Ok(())
    }

    /// The stream has ended: as it should when only the last blank line is missing, or all of
    /// `[DONE]` behind a whole answer.
    fn cut_off(&mut self, parser: SseParser) -> Result<(), LlmError> {
        match parser.finish() {
            Some(event) if event.is_done() => self.finished = true,
            Some(event) => self.chunk(&event.data)?,
            None => {}
        }
        if self.finished {
            self.complete();
            return Ok(());
        }
        Err(LlmError::Answer("it ended without [DONE]".to_owned()))
    }

    fn chunk(&mut self, data: &str) -> Result<(), LlmError> {
        // Read first: a chunk may lack everything, so an error would pass for an empty one.
        if let Some(message) = error_event(data) {
            return Err(LlmError::Failed(message));
        }
        let chunk: ChatChunk =
            serde_json::from_str(data).map_err(|error| LlmError::Answer(error.to_string()))?;
        let Some(call) = &mut self.call else {
            return Ok(());
        };
        if let Some(usage) = &chunk.usage {
            call.usage(llm::counted(usage));
            self.usage = Some(*usage);
        }
        let (mut answer, mut thought) = (String::new(), String::new());
        let said = &mut self.said;
        let mut take = |part, text: &str| {
            said.take(part, text);
            match part {
                Part::Final => answer.push_str(text),
                Part::Thinking => thought.push_str(text),
            }
        };
        if let Some(choice) = chunk.choices.first() {
            if let Some(thinking) = choice.delta.thinking() {
                call.thinking(thinking, &mut take);
            }
            if let Some(content) = &choice.delta.content {
                call.text(content, &mut take);
            }
            if let Some(reason) = &choice.finish_reason {
                call.finish_reason(reason);
                self.finished = true;
            }
        }
        self.thought(&thought);
        self.piece(&answer);
        Ok(())
    }

    /// A piece of the answer goes to the frontend. Streamed or not, an answer neither begins nor
    /// ends with white space, so that waits until something follows it.
    fn piece(&mut self, text: &str) {
        let solid = text.trim_end();
        if solid.is_empty() {
            if let Some(white) = &mut self.white {
                white.push_str(text);
            }
            return;
        }
        let after = text[solid.len()..].to_owned();
        let piece = match self.white.replace(after) {
            Some(before) => before + solid,
            None => solid.trim_start().to_owned(),
        };
        self.event(&json!({ "content": piece }));
        self.handover
            .get_or_insert_with(Handover::start)
            .answer(piece.chars().count(), false);
    }

    /// A piece of the thinking goes beside a piece of the answer that is empty: whoever reads nothing
    /// but the answer passes over it.
    fn thought(&mut self, text: &str) {
        if !text.is_empty() {
            self.event(&StreamPiece {
                content: String::new(),
                thinking_content: Some(text.to_owned()),
            });
        }
    }

    fn complete(&mut self) {
        let Some(call) = self.call.take() else { return };
        let mut rest = String::new();
        let said = &mut self.said;
        call.output_messages(|| said.as_messages());
        let counts = call.complete(|part, text| {
            said.take(part, text);
            if part == Part::Final {
                rest.push_str(text);
            }
        });
        self.piece(&rest);
        self.handover
            .get_or_insert_with(Handover::start)
            .answer(0, counts.has_thinking());
        let end = StreamEnd {
            sources: std::mem::take(&mut self.sources),
            usage: self.usage,
            thinking_content: self.said.thinking(&counts),
            trace_id: context::ids().trace_id.to_string(),
        };
        self.event(&end);
        self.waiting
            .push_back(Bytes::from_static(b"data: [DONE]\n\n"));
    }

    /// The status is out already: the failure goes as an event, and the request counts as failed.
    fn fail(&mut self, error: &LlmError) {
        let message = error.to_string();
        if let Some(call) = self.call.take() {
            call.fail(error.word(), &message);
        }
        tracing::error!(error = %message, "the LLM gave no answer: check VLLM_BASE_URL and the server");
        self.failure.set(error.word());
        self.event(&json!({ "error": message }));
        self.step = Step::Ended;
    }

    fn event(&mut self, data: &impl serde::Serialize) {
        // Made of texts and numbers: it always has a JSON form.
        let json = serde_json::to_string(data).unwrap_or_default();
        self.waiting
            .push_back(Bytes::from(format!("data: {json}\n\n")));
    }
}

/// What an LLM says that fails in the middle of its stream: `{"error": {"message": "…"}}`.
fn error_event(data: &str) -> Option<String> {
    serde_json::from_str::<crate::generate::ApiErrorBody>(data)
        .ok()
        .map(|body| body.error.message)
}
