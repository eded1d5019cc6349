//! The request to the LLM.

use std::fmt;

use llasta_telemetry::client::{PeerService, UrlTemplate};
use llasta_telemetry::context::Carried;
use llasta_telemetry::llm::{ChatCall, ChatRequest as Asked, Usage as Counted};
use reqwest::Response;

use super::Service;
use super::retry::Resend;
use crate::generate::{ApiErrorBody, ChatRequest, Usage};

/// Why the LLM gave no answer, or half of one.
#[derive(Debug)]
pub(super) enum LlmError {
    /// It could not be reached, or not in time.
    Request(reqwest_middleware::Error),
    /// It refused or failed.
    Status(reqwest::StatusCode, String),
    /// It gave up in the middle of its answer, and says why.
    Failed(String),
    /// Its answer broke off.
    Body(reqwest::Error),
    /// Its answer is not what it should be.
    Answer(String),
    /// Nothing came for too long.
    Silence(std::time::Duration),
}

impl LlmError {
    /// A word of low cardinality, for `error.type`.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Request(error) if error.is_timeout() => "timeout",
            Self::Request(_) => "llm_unreachable",
            Self::Status(..) | Self::Failed(_) => "llm_error",
            Self::Body(error) if error.is_timeout() => "timeout",
            Self::Body(_) => "llm_broke_off",
            Self::Answer(_) => "llm_bad_answer",
            Self::Silence(_) => "timeout",
        }
    }
}

impl fmt::Display for LlmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(error) => {
                write!(f, "the LLM cannot be reached: {}", crate::api::chain(error))
            }
            Self::Status(status, message) => write!(f, "the LLM answered {status}: {message}"),
            Self::Failed(message) => write!(f, "the LLM gave up: {message}"),
            Self::Body(error) => write!(
                f,
                "the LLM's answer broke off: {}",
                crate::api::chain(error)
            ),
            Self::Answer(message) => write!(f, "the LLM's answer cannot be read: {message}"),
            Self::Silence(limit) => write!(f, "the LLM said nothing for {} s", limit.as_secs()),
        }
    }
}

/// Starts `vllm.generate`, to be told what arrives.
pub(super) fn begin(service: &Service, request: &ChatRequest) -> (ChatCall, Vec<u8>) {
    // The request is made of texts and numbers: it always has a JSON form.
    let body = serde_json::to_vec(request).unwrap_or_default();
    let asked = Asked {
        model: &request.model,
        messages: request.messages.len(),
        size: body.len(),
        stream: request.stream,
        temperature: request.temperature,
        max_tokens: request.max_tokens.map(u64::from),
    };
    let call = ChatCall::start(asked, Some(service.llm.clone()));
    call.input_messages(|| serde_json::to_string(&request.messages).unwrap_or_default());
    (call, body)
}

/// Sends the request inside the call's span; comes back with the head of the answer.
pub(super) async fn send(
    service: &Service,
    call: &ChatCall,
    body: Vec<u8>,
    stream: bool,
) -> Result<Response, LlmError> {
    let config = &service.config;
    let mut request = service
        .client
        .post(config.llm_url("/v1/chat/completions"))
        .with_extension(UrlTemplate("/v1/chat/completions"))
        .with_extension(PeerService("vllm"))
        .with_extension(Resend(config.connect_retries))
        .header(reqwest::header::CONTENT_TYPE, "application/json")
        .body(body);
    if let Some(key) = &config.api_key {
        request = request.bearer_auth(key);
    }
    if !stream {
        request = request.timeout(config.llm_timeout);
    }
    let sent = Carried::new(call.scope(), request.send());
    let response = match tokio::time::timeout(config.llm_timeout, sent).await {
        Ok(response) => response.map_err(LlmError::Request)?,
        Err(_) => return Err(LlmError::Silence(config.llm_timeout)),
    };
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let text = response.text().await.unwrap_or_default();
    let message = match serde_json::from_str::<ApiErrorBody>(&text) {
        Ok(body) => body.error.message,
        Err(_) => text.chars().take(200).collect(),
    };
    Err(LlmError::Status(status, message))
}

/// The usage block, as the recorder takes it.
pub(super) fn counted(usage: &Usage) -> Counted {
    Counted {
        prompt: Some(usage.prompt_tokens.into()),
        completion: Some(usage.completion_tokens.into()),
        total: Some(usage.total_tokens.into()),
    }
}
