//! The services: axum routers around the backends, instrumented as the contract says.
//!
//! Each is a function from its configuration and a [`Telemetry`](llasta_telemetry::Telemetry) to a
//! router, so tests run them in process and the binary on a socket. In reading order:
//! `faiss_wrap`, `chatbot_rag`, and `llm`, the stand-in for vLLM.

pub mod chatbot_rag;
pub mod faiss_wrap;
pub mod llm;
mod opening;

pub use self::opening::Opening;

/// Largest body that is read when nobody says otherwise: 16 MiB.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
