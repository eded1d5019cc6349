//! chatbot-rag: a question in, an answer from the documents out.
//!
//! One request is three steps, each with its span: `retrieve` asks faiss-wrap, `context` builds
//! what the LLM reads, and the LLM answers, in one piece (`whole`) or as it writes (`streamed`).
//! Retrieval that fails does not fail the chat.

mod config;
mod context;
mod handover;
mod llm;
mod retrieve;
mod streamed;
mod whole;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{Html, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use llasta_telemetry::Telemetry;
use llasta_telemetry::client::{PeerService, TelemetryMiddleware, UrlTemplate};
use llasta_telemetry::http::TelemetryLayer;
use llasta_telemetry::llm::LlmMetrics;
use llasta_telemetry::schema::chatbot::ChatbotMetrics;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};

pub use self::config::ChatbotConfig;
use crate::api::chat::{ChatHealth, ChatRequest};
use crate::api::{ApiError, JsonBody, refuse_other_methods, refuse_others};
use crate::generate::Role;

/// What the handlers share.
#[derive(Debug)]
struct Service {
    config: ChatbotConfig,
    client: ClientWithMiddleware,
    metrics: ChatbotMetrics,
    llm: LlmMetrics,
}

/// The service.
///
/// # Errors
///
/// When the HTTP client cannot be built.
pub fn router(config: ChatbotConfig, telemetry: &Telemetry) -> Result<Router, reqwest::Error> {
    let metrics = ChatbotMetrics::register(telemetry.registry());
    let client = reqwest::Client::builder()
        .connect_timeout(config.connect_timeout)
        .build()?;
    let service = Service {
        client: ClientBuilder::new(client)
            .with(TelemetryMiddleware::recorded_by(telemetry))
            .build(),
        llm: metrics.llm(&config.model),
        metrics: metrics.clone(),
        config,
    };
    let body_limit = DefaultBodyLimit::max(service.config.max_body_bytes);
    let routes = Router::new()
        .route("/api/chat", post(chat))
        .route("/health", get(health))
        .route("/", get(|| async { Html(include_str!("page.html")) }));
    let router = refuse_others::<ApiError, _>(
        routes,
        "POST /api/chat, GET /health, GET /metrics and the chat page at GET /",
    );
    let router = router
        .with_state(Arc::new(service))
        .layer(body_limit)
        .layer(TelemetryLayer::new(telemetry, metrics))
        .merge(telemetry.metrics_route());
    Ok(refuse_other_methods::<ApiError, _>(router))
}

async fn chat(
    State(service): State<Arc<Service>>,
    JsonBody(request): JsonBody<ChatRequest>,
) -> Result<Response, ApiError> {
    let question = check(&request)?.to_owned();
    let found = retrieve::retrieve(&service, &question).await;
    let prepared = context::prepare(&service, &request, &found);
    if request.stream {
        Ok(streamed::answer(service, prepared))
    } else {
        whole::answer(&service, prepared).await
    }
}

/// The question, which is the last thing the user said.
fn check(request: &ChatRequest) -> Result<&str, ApiError> {
    if request.messages.is_empty() {
        return Err(ApiError::field(
            "messages",
            "the list is empty: send at least one user message",
        ));
    }
    if !(0.0..=2.0).contains(&request.temperature) {
        return Err(ApiError::field("temperature", "give a number from 0 to 2"));
    }
    if request.max_tokens == Some(0) {
        return Err(ApiError::field(
            "max_tokens",
            "give at least 1, or leave it out",
        ));
    }
    let question = request
        .messages
        .iter()
        .rev()
        .find(|message| message.role == Role::User);
    match question.map(|message| message.content.trim()) {
        None => Err(ApiError::field(
            "messages",
            "there is no message with the role `user`",
        )),
        Some("") => Err(ApiError::field(
            "messages",
            "the last user message is blank",
        )),
        Some(question) => Ok(question),
    }
}

async fn health(State(service): State<Arc<Service>>) -> Json<ChatHealth> {
    let (faiss, vllm) = (
        service.config.faiss_url("/health"),
        service.config.llm_url("/health"),
    );
    let (faiss_wrap, vllm) = tokio::join!(
        neighbour(&service, &faiss, "faiss-wrap"),
        neighbour(&service, &vllm, "vllm")
    );
    let status = if faiss_wrap == "ok" && vllm == "ok" {
        "ok"
    } else {
        "degraded"
    };
    Json(ChatHealth {
        status: status.to_owned(),
        vllm,
        faiss_wrap,
    })
}

/// `ok`, or what is wrong.
async fn neighbour(service: &Service, url: &str, name: &'static str) -> String {
    let request = service
        .client
        .get(url)
        .with_extension(UrlTemplate("/health"))
        .with_extension(PeerService(name))
        .timeout(service.config.connect_timeout);
    match request.send().await {
        Ok(response) if response.status().is_success() => "ok".to_owned(),
        Ok(response) => format!("{url} answers {}", response.status()),
        Err(error) => format!("unreachable: {}", crate::api::chain(&error)),
    }
}

/// What a neighbour's failure means for the one who asked.
fn bad_gateway(message: String) -> ApiError {
    ApiError::new(StatusCode::BAD_GATEWAY, message)
}
