//! chatbot-rag: a question in, an answer from the documents out.
//!
//! One request is three steps, each with its span: `retrieve` asks faiss-wrap, `context` builds
//! what the LLM reads, and the LLM answers, in one piece (`whole`) or as it writes (`streamed`).
//! Retrieval that fails does not fail the chat.
//!
//! Beside them: `window` knows how much the LLM reads at once and `fit` what goes into that, `retry`
//! sends again what found no connection, `health` asks the neighbours how they are, and `page` is
//! what people see.

mod config;
mod context;
mod fit;
mod handover;
mod health;
mod llm;
mod page;
mod retrieve;
mod retry;
mod streamed;
mod whole;
mod window;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use llasta_telemetry::Telemetry;
use llasta_telemetry::client::TelemetryMiddleware;
use llasta_telemetry::http::TelemetryLayer;
use llasta_telemetry::llm::LlmMetrics;
use llasta_telemetry::schema::chatbot::ChatbotMetrics;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};

pub use self::config::{ChatbotConfig, Grafana};
use self::page::Page;
use self::retry::RetryConnect;
use self::window::Window;
use crate::api::chat::ChatRequest;
use crate::api::{ApiError, JsonBody, refuse_other_methods, refuse_others};
use crate::generate::Role;

/// What the handlers share.
#[derive(Debug)]
struct Service {
    config: ChatbotConfig,
    client: ClientWithMiddleware,
    metrics: ChatbotMetrics,
    llm: LlmMetrics,
    window: Window,
}

/// The service. Inside a runtime it begins at once to ask the LLM how large its window is.
///
/// # Errors
///
/// When the HTTP client cannot be built.
pub fn router(config: ChatbotConfig, telemetry: &Telemetry) -> Result<Router, reqwest::Error> {
    let metrics = ChatbotMetrics::register(telemetry.registry());
    let client = reqwest::Client::builder()
        .connect_timeout(config.connect_timeout)
        .build()?;
    let page = Arc::new(Page::new(config.grafana.as_ref()));
    let service = Service {
        window: Window::new(&config, client.clone()),
        client: ClientBuilder::new(client)
            .with(RetryConnect)
            .with(TelemetryMiddleware::recorded_by(telemetry))
            .build(),
        llm: metrics.llm(&config.model),
        metrics: metrics.clone(),
        config,
    };
    let body_limit = DefaultBodyLimit::max(service.config.max_body_bytes);
    let routes = Router::new()
        .route("/api/chat", post(chat))
        .route("/health", get(health::health))
        .route("/", get(move || async move { page.answer() }));
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
    let room = fit::room(&service, &request.messages, request.max_tokens).await?;
    let found = retrieve::retrieve(&service, &question).await;
    let prepared = context::prepare(&service, &request, &found, room).await;
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

/// What a neighbour's failure means for the one who asked.
fn bad_gateway(message: String) -> ApiError {
    ApiError::new(StatusCode::BAD_GATEWAY, message)
}
