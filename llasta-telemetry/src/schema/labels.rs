//! The closed label sets that several metrics share.

use super::LabelSet;

/// How a request ended. Every request ends in exactly one of these, counted once, at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, LabelSet)]
pub enum Outcome {
    /// Answered as it should be, a refusal of bad input included.
    Success,
    /// The service failed: 5xx, a body that broke off, a panic, a time-out.
    Error,
    /// The client went away before the last byte.
    Cancelled,
}

/// Which tokens are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, LabelSet)]
pub enum TokenType {
    /// Tokens the model read.
    Prompt,
    /// Tokens the model wrote.
    Completion,
}

/// What became of a span that was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, LabelSet)]
pub enum ExportResult {
    /// The collector took it.
    Exported,
    /// The queue was full.
    Dropped,
    /// The collector refused it or could not be reached.
    Failed,
}

/// The routes of chatbot-rag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, LabelSet)]
pub enum ChatEndpoint {
    /// One chat request.
    #[label("/api/chat")]
    Chat,
    /// The health of the service and of its neighbours.
    #[label("/health")]
    Health,
    /// The chat page.
    #[label("/")]
    Page,
    /// Any request that matches no route.
    Unmatched,
}

/// The operations of faiss-wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, LabelSet)]
pub enum IndexEndpoint {
    /// `POST /search`.
    Search,
    /// `POST /upsert`.
    Upsert,
    /// `POST /delete`.
    Delete,
    /// `POST /items`.
    Items,
    /// `POST /reset`.
    Reset,
    /// `GET /health`.
    Health,
    /// Any request that matches no route.
    Unmatched,
}
