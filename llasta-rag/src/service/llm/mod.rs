//! The stand-in for vLLM: OpenAI's chat completions over the extractive model.
//!
//! It answers from the context it is given, streams, reports usage, and emits the contract's
//! `vllm_*` metrics itself. Like a vLLM with `--otlp-traces-endpoint` it makes one span per request,
//! `llm_request`, in the caller's trace, and none for HTTP.
//!
//! This file is the service; `generation` is one answer under way, `refusal` says no in OpenAI's words.

mod generation;
mod refusal;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{DefaultBodyLimit, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use llasta_telemetry::Telemetry;
use llasta_telemetry::http::{EndpointMetrics, RequestMetrics, TelemetryLayer};
use llasta_telemetry::metrics::{Counter, Gauge, Handle, Histogram};
use llasta_telemetry::schema::vllm::VllmMetrics;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use self::generation::Generation;
use self::refusal::Refusal;
use crate::api::{ApiError, JsonBody, refuse_other_methods, refuse_others};
use crate::generate::{
    ChatChunk, ChatCompletion, ChatRequest, Choice, ChunkChoice, Delta, ReplyMessage, Role,
};

/// How the stand-in behaves.
#[derive(Debug, Clone)]
pub struct LlmConfig {
    /// The name it goes by.
    pub model: String,
    /// How long each token takes.
    pub token_delay: Duration,
    /// Requests that are answered at the same time; the others wait.
    pub concurrency: usize,
    /// Largest body that is read.
    pub max_body_bytes: usize,
}

/// What the handlers share.
#[derive(Debug)]
struct Service {
    config: LlmConfig,
    telemetry: Telemetry,
    slots: Arc<Semaphore>,
    duration: Handle<Histogram>,
    tokens: Handle<Counter>,
    active: Handle<Gauge>,
    waiting: Handle<Gauge>,
}

/// The service.
pub fn router(config: LlmConfig, telemetry: &Telemetry) -> Router {
    let metrics = VllmMetrics::register(telemetry.registry());
    let service = Service {
        slots: Arc::new(Semaphore::new(config.concurrency.max(1))),
        duration: metrics.request_duration(&config.model),
        tokens: metrics.tokens_generated(&config.model),
        active: metrics.active_requests(&config.model),
        waiting: metrics.queue_size(&config.model),
        telemetry: telemetry.clone(),
        config,
    };
    let routes = Router::new()
        .route("/v1/chat/completions", post(complete))
        .route("/v1/models", get(models))
        .route("/health", get(|| async { Json(json!({ "status": "ok" })) }));
    let router = refuse_others::<Refusal, _>(
        routes,
        "POST /v1/chat/completions, GET /v1/models, GET /health and GET /metrics",
    );
    let router = router
        .layer(DefaultBodyLimit::max(service.config.max_body_bytes))
        .with_state(Arc::new(service))
        .layer(TelemetryLayer::new(telemetry, Uncounted).without_spans())
        .merge(telemetry.metrics_route());
    refuse_other_methods::<Refusal, _>(router)
}

/// The contract's metrics of the LLM count generations, not requests.
struct Uncounted;

impl RequestMetrics for Uncounted {
    fn endpoint(&self, _: Option<&str>) -> Option<EndpointMetrics> {
        None
    }
}

async fn models(State(service): State<Arc<Service>>) -> Json<Value> {
    let model = json!({ "id": service.config.model, "object": "model", "owned_by": "llasta" });
    Json(json!({ "object": "list", "data": [model] }))
}

async fn complete(
    State(service): State<Arc<Service>>,
    body: Result<JsonBody<ChatRequest>, ApiError>,
) -> Result<Response, Refusal> {
    let JsonBody(request) = body?;
    check(&request)?;
    let generation = Generation::begin(service, &request).await;
    if request.stream {
        let usage = request
            .stream_options
            .is_some_and(|options| options.include_usage);
        return Ok(streamed(generation, usage));
    }
    Ok(whole(generation).await)
}

fn check(request: &ChatRequest) -> Result<(), ApiError> {
    if request.messages.is_empty() {
        return Err(ApiError::field(
            "messages",
            "the list is empty: send at least one message",
        ));
    }
    if request
        .temperature
        .is_some_and(|temperature| !(0.0..=2.0).contains(&temperature))
    {
        return Err(ApiError::field("temperature", "give a number from 0 to 2"));
    }
    if request.max_tokens == Some(0) {
        return Err(ApiError::field(
            "max_tokens",
            "give at least 1, or leave it out",
        ));
    }
    Ok(())
}

async fn whole(mut generation: Generation) -> Response {
    let (usage, finish_reason) = (generation.usage(), generation.finish_reason());
    let mut content = String::new();
    while let Some(token) = generation.next().await {
        content.push_str(&token);
    }
    let message = ReplyMessage {
        role: Role::Assistant,
        content: Some(content),
        reasoning_content: None,
        reasoning: None,
    };
    let completion = ChatCompletion {
        id: generation.id.clone(),
        object: "chat.completion".to_owned(),
        created: created(),
        model: generation.service.config.model.clone(),
        choices: vec![Choice {
            index: 0,
            message,
            finish_reason: Some(finish_reason.to_owned()),
        }],
        usage: Some(usage),
    };
    Json(completion).into_response()
}

/// What a streamed answer sends next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Role,
    Token,
    Usage,
    Done,
    Nothing,
}

fn streamed(generation: Generation, with_usage: bool) -> Response {
    let usage = generation.usage();
    let reason = generation.finish_reason();
    let events = stream::unfold(
        (generation, Next::Role),
        move |(mut generation, next)| async move {
            let (event, next) = match next {
                Next::Role => {
                    let delta = Delta {
                        role: Some(Role::Assistant),
                        content: Some(String::new()),
                        ..Delta::default()
                    };
                    (
                        event(&chunk(&generation, vec![choice(delta, None)])),
                        Next::Token,
                    )
                }
                Next::Token => match generation.next().await {
                    Some(token) => {
                        let delta = Delta {
                            content: Some(token),
                            ..Delta::default()
                        };
                        (
                            event(&chunk(&generation, vec![choice(delta, None)])),
                            Next::Token,
                        )
                    }
                    None => {
                        let last = chunk(&generation, vec![choice(Delta::default(), Some(reason))]);
                        (
                            event(&last),
                            if with_usage { Next::Usage } else { Next::Done },
                        )
                    }
                },
                Next::Usage => (
                    event(&ChatChunk {
                        usage: Some(usage),
                        ..chunk(&generation, Vec::new())
                    }),
                    Next::Done,
                ),
                Next::Done => (Event::default().data("[DONE]"), Next::Nothing),
                Next::Nothing => return None,
            };
            Some((Ok::<_, Infallible>(event), (generation, next)))
        },
    );
    Sse::new(events).into_response()
}

fn chunk(generation: &Generation, choices: Vec<ChunkChoice>) -> ChatChunk {
    ChatChunk {
        id: generation.id.clone(),
        object: "chat.completion.chunk".to_owned(),
        created: created(),
        model: generation.service.config.model.clone(),
        choices,
        usage: None,
    }
}

fn event(chunk: &ChatChunk) -> Event {
    // The chunk is made of texts and numbers: it always has a JSON form.
    Event::default().data(serde_json::to_string(chunk).unwrap_or_default())
}

fn choice(delta: Delta, finish_reason: Option<&str>) -> ChunkChoice {
    ChunkChoice {
        index: 0,
        delta,
        finish_reason: finish_reason.map(str::to_owned),
    }
}

fn created() -> u64 {
    created_nanos() as u64 / 1_000_000_000
}

fn created_nanos() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos())
}
