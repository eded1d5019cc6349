//! The answer in one piece.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::Response;
use llasta_telemetry::context;
use llasta_telemetry::llm::{ChatCall, Part, ThinkSplitter};

use super::context::Prepared;
use super::handover::Handover;
use super::llm::{self, LlmError};
use super::{Service, bad_gateway};
use crate::api::ApiError;
use crate::api::chat::ChatAnswer;
use crate::generate::{ChatCompletion, ChatMessage, Role, Usage};

pub(super) async fn answer(
    service: &Arc<Service>,
    prepared: Prepared,
) -> Result<Response, ApiError> {
    let (mut call, body) = llm::begin(service, &prepared.request);
    let mut said = Said::default();
    let (usage, counts) = match ask(service, &mut call, body, &mut said).await {
        Ok(usage) => {
            call.output_messages(|| said.as_messages());
            (usage, call.complete(|part, text| said.take(part, text)))
        }
        Err(error) => {
            let message = error.to_string();
            call.fail(error.word(), &message);
            tracing::error!(error = %message, "the LLM gave no answer: check VLLM_BASE_URL and the server");
            return Err(match error {
                LlmError::Silence(_) => ApiError::new(StatusCode::GATEWAY_TIMEOUT, message),
                _ => bad_gateway(message),
            });
        }
    };
    let text = said.answer.trim();
    let mut handover = Handover::start();
    handover.answer(text.chars().count(), counts.has_thinking());
    let answer = ChatAnswer {
        thinking_content: said.thinking(&counts),
        message: ChatMessage::new(Role::Assistant, text),
        usage,
        sources: prepared.sources,
        trace_id: context::ids().trace_id.to_string(),
    };
    let json = serde_json::to_vec(&answer).map_err(|error| ApiError::internal(&error))?;
    handover.sent(json.len());
    let mut response = Response::new(Body::from(json));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    Ok(response)
}

async fn ask(
    service: &Service,
    call: &mut ChatCall,
    body: Vec<u8>,
    said: &mut Said,
) -> Result<Option<Usage>, LlmError> {
    let response = llm::send(service, call, body, false).await?;
    let body = response.bytes().await.map_err(LlmError::Body)?;
    let completion: ChatCompletion =
        serde_json::from_slice(&body).map_err(|error| LlmError::Answer(error.to_string()))?;
    let choice = completion
        .choices
        .into_iter()
        .next()
        .ok_or_else(|| LlmError::Answer("it has no choices".to_owned()))?;
    if let Some(thinking) = choice.message.thinking() {
        call.thinking(thinking, |part, text| said.take(part, text));
    }
    call.text(
        choice.message.content.as_deref().unwrap_or_default(),
        |part, text| said.take(part, text),
    );
    if let Some(reason) = &choice.finish_reason {
        call.finish_reason(reason);
    }
    if let Some(usage) = &completion.usage {
        call.usage(llm::counted(usage));
    }
    Ok(completion.usage)
}

/// The answer and the thinking, as they come.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) answer: String,
    pub(super) thought: String,
}

impl Said {
    pub(super) fn take(&mut self, part: Part, text: &str) {
        match part {
            Part::Thinking => self.thought.push_str(text),
            Part::Final => self.answer.push_str(text),
        }
    }

    /// The answer as the list of messages that content capture records.
    pub(super) fn as_messages(&self) -> String {
        let message = ChatMessage::new(Role::Assistant, self.answer.as_str());
        serde_json::to_string(&[message]).unwrap_or_default()
    }

    /// What was thought, when there was thinking.
    pub(super) fn thinking(&self, counts: &ThinkSplitter) -> Option<String> {
        counts
            .has_thinking()
            .then(|| self.thought.trim().to_owned())
    }
}
