//! chatbot-rag's face.

use serde::{Deserialize, Serialize};

use crate::generate::{ChatMessage, Usage};
use crate::json::objects;
use crate::pipeline::SearchResult;

/// `POST /api/chat`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    /// The conversation so far; its last user message is the question.
    #[serde(deserialize_with = "objects")]
    pub messages: Vec<ChatMessage>,
    /// Whether the answer comes as server-sent events.
    #[serde(default)]
    pub stream: bool,
    /// The most tokens to generate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// How freely tokens are drawn, 0 to 2.
    #[serde(default = "usual_temperature")]
    pub temperature: f64,
    /// Whether a thinking model may think.
    #[serde(default = "yes")]
    pub think_mode: bool,
}

fn usual_temperature() -> f64 {
    0.7
}

fn yes() -> bool {
    true
}

/// What `POST /api/chat` answers in one piece.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatAnswer {
    /// The answer.
    pub message: ChatMessage,
    /// What the model thought, when it did.
    pub thinking_content: Option<String>,
    /// What the LLM says it took.
    pub usage: Option<Usage>,
    /// The passages that went to the LLM, best first: their metadata says where they are from.
    pub sources: Vec<SearchResult>,
    /// Where to look for what happened; 32 hex digits.
    pub trace_id: String,
}

/// The last event of a stream but one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamEnd {
    /// As in [`ChatAnswer`].
    pub sources: Vec<SearchResult>,
    /// As in [`ChatAnswer`].
    pub usage: Option<Usage>,
    /// As in [`ChatAnswer`].
    pub thinking_content: Option<String>,
    /// As in [`ChatAnswer`].
    pub trace_id: String,
}

/// What `GET /health` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatHealth {
    /// `ok`, or `degraded` when a neighbour does not answer.
    pub status: String,
    /// `ok`, or what is wrong with the LLM.
    pub vllm: String,
    /// `ok`, or what is wrong with faiss-wrap.
    pub faiss_wrap: String,
}
