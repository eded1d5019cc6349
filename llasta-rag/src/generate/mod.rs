//! Answers from an LLM: what is said to it, what it says back, and a stand-in for it.
//!
//! An LLM is any server with OpenAI's chat completions. This module has the words of that
//! conversation and no HTTP: the services send and receive it.
//!
//! In reading order:
//! - `openai.rs`: [`ChatRequest`], [`ChatCompletion`] and [`ChatChunk`], the wire format;
//! - `sse.rs`: [`SseParser`], server-sent events out of bytes that may be cut anywhere;
//! - `block.rs`: [`ContextBlock`], the form in which passages are handed to a model;
//! - `estimate.rs`: [`estimate_tokens`], how many tokens a text has at most, without a vocabulary;
//! - `tokens.rs`: [`pieces`] and [`count_tokens`], the stand-in's idea of a token;
//! - `extractive.rs`: [`answer`], the stand-in, which answers with sentences of its context.

mod block;
mod estimate;
mod extractive;
mod openai;
mod sse;
mod tokens;

pub use self::block::{ContextBlock, Passage, introduction};
pub use self::estimate::estimate_tokens;
pub use self::extractive::{Answer, MODEL, answer};
pub use self::openai::{
    ApiError, ApiErrorBody, ChatChunk, ChatCompletion, ChatMessage, ChatRequest, Choice,
    ChunkChoice, Delta, ReplyMessage, Role, StreamOptions, Usage,
};
pub use self::sse::{SseError, SseEvent, SseParser};
pub use self::tokens::{count_tokens, pieces};

/// What at the end of the last user message asks a thinking model to answer at once.
pub const NO_THINK: &str = " /no_think";
