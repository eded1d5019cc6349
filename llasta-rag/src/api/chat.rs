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
    pub sources: Vec<Source>,
    /// Where to look for what happened; 32 hex digits.
    pub trace_id: String,
}

/// A passage that went to the LLM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// What the answer cites it by: its number 1 is `[1]` there. 0 where the service gave none.
    #[serde(default)]
    pub number: usize,
    /// The passage.
    #[serde(flatten)]
    pub passage: SearchResult,
}

impl Source {
    /// Passages with the numbers that they have in a context block.
    pub fn numbered(passages: Vec<SearchResult>) -> Vec<Self> {
        let numbered = passages.into_iter().zip(1..);
        numbered
            .map(|(passage, number)| Self { number, passage })
            .collect()
    }
}

/// One of the events of a stream before the last.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StreamPiece {
    /// More of the answer; may be empty.
    pub content: String,
    /// More of what the model thinks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking_content: Option<String>,
}

/// The last event of a stream but one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamEnd {
    /// As in [`ChatAnswer`].
    pub sources: Vec<Source>,
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
