//! Floor 3: chat completions, streamed or not.
//!
//! A [`ChatCall`] accompanies one request to a model: it opens `vllm.generate`, is told what
//! arrives, and settles the spans and the metrics once, however the request ends: with the last
//! token, with an error, or because nobody listens any more. Metrics do not depend on whether the
//! trace is kept. [`InstrumentLlm`] does all of it for a stream of chunks, of any client:
//! a [`ChunkView`] says what a chunk brings. [`ChatCall::answer`] does it for an answer that comes
//! in one piece.

mod call;
mod chunk;
mod metrics;
mod pace;
mod stream;
mod summary;
mod think;

pub use self::call::{ChatCall, ChatRequest, Usage};
pub use self::chunk::{ChatChunk, ChunkView, Itself, ReadChunk, Told};
pub use self::metrics::LlmMetrics;
pub use self::stream::{InstrumentLlm, InstrumentedStream};
pub use self::summary::ChatSummary;
pub use self::think::{Part, ThinkSplitter};
