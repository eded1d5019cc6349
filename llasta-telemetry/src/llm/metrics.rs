//! The metrics of requests to one model, resolved once.

use crate::metrics::{Counter, Handle, Histogram};
use crate::schema::LabelSet;
use crate::schema::chatbot::ChatbotMetrics;
use crate::schema::labels::{Outcome, TokenType};

/// The series a [`ChatCall`](super::ChatCall) records into. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LlmMetrics {
    /// Requests by [`Outcome`], in the order of its values.
    pub requests: [Handle<Counter>; 3],
    /// Tokens the model read.
    pub prompt_tokens: Handle<Counter>,
    /// Tokens the model wrote.
    pub completion_tokens: Handle<Counter>,
    /// Seconds to the first token of a streamed answer.
    pub time_to_first_token: Handle<Histogram>,
    /// Seconds between two tokens of a streamed answer.
    pub time_per_output_token: Handle<Histogram>,
    /// Seconds between two pieces of a streamed answer, each of them. The contract has no metric
    /// for it: a service may bring one of its own.
    pub gaps: Option<Handle<Histogram>>,
}

impl ChatbotMetrics {
    /// The series of the contract for requests to this model.
    pub fn llm(&self, model: &str) -> LlmMetrics {
        LlmMetrics {
            requests: std::array::from_fn(|outcome| self.vllm_requests_family().handle(outcome)),
            prompt_tokens: self.llm_tokens(model, TokenType::Prompt),
            completion_tokens: self.llm_tokens(model, TokenType::Completion),
            time_to_first_token: self.llm_time_to_first_token(model),
            time_per_output_token: self.llm_time_per_output_token(model),
            gaps: None,
        }
    }
}

impl LlmMetrics {
    /// Records the gaps between the pieces of streamed answers as well, into a histogram that the
    /// service has declared: one that stalls shows there, while its mean per token looks well.
    #[must_use]
    pub fn with_gaps(mut self, gaps: Handle<Histogram>) -> Self {
        self.gaps = Some(gaps);
        self
    }

    pub(super) fn request(&self, outcome: Outcome) -> &Counter {
        &self.requests[outcome.index()]
    }
}
