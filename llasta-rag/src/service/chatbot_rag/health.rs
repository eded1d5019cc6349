//! How the neighbours are.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use llasta_telemetry::client::{PeerService, UrlTemplate};
use reqwest::{Response, StatusCode};

use super::Service;
use crate::api::chat::ChatHealth;

const HEALTH: &str = "/health";
const MODELS: &str = "/v1/models";

pub(super) async fn health(State(service): State<Arc<Service>>) -> Json<ChatHealth> {
    let (faiss_wrap, vllm) = tokio::join!(faiss_wrap(&service), llm(&service));
    let is_well = faiss_wrap == "ok" && vllm == "ok";
    let status = if is_well { "ok" } else { "degraded" };
    Json(ChatHealth {
        status: status.to_owned(),
        vllm,
        faiss_wrap,
    })
}

async fn faiss_wrap(service: &Service) -> String {
    let url = service.config.faiss_url(HEALTH);
    said(&url, ask(service, &url, HEALTH, "faiss-wrap").await)
}

/// Servers without a health path, such as Ollama's, have a list of models.
async fn llm(service: &Service) -> String {
    let url = service.config.llm_url(HEALTH);
    let answer = ask(service, &url, HEALTH, "vllm").await;
    match answer {
        Ok(answer) if answer.status() == StatusCode::NOT_FOUND => {
            let url = service.config.llm_url(MODELS);
            said(&url, ask(service, &url, MODELS, "vllm").await)
        }
        answer => said(&url, answer),
    }
}

/// `ok`, or what is wrong.
fn said(url: &str, answer: Result<Response, reqwest_middleware::Error>) -> String {
    match answer {
        Ok(response) if response.status().is_success() => "ok".to_owned(),
        Ok(response) => format!("{url} answers {}", response.status()),
        Err(error) => format!("unreachable: {}", crate::api::chain(&error)),
    }
}

async fn ask(
    service: &Service,
    url: &str,
    path: &'static str,
    name: &'static str,
) -> Result<Response, reqwest_middleware::Error> {
    let mut request = service
        .client
        .get(url)
        .with_extension(UrlTemplate(path))
        .with_extension(PeerService(name))
        .timeout(service.config.connect_timeout);
    if let Some(key) = service.config.api_key.as_ref().filter(|_| name == "vllm") {
        request = request.bearer_auth(key);
    }
    request.send().await
}
