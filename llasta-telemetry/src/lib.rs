//! Telemetry for LLM and RAG services.
#![forbid(unsafe_code)]

extern crate self as llasta_telemetry;

pub mod content;
pub mod context;
mod error;
pub mod line;
pub mod metrics;
pub mod schema;
pub mod span;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;

pub use llasta_telemetry_macros::{in_span, schema};
pub use opentelemetry;
pub use opentelemetry_sdk;
pub use prometheus;

pub use self::error::{Error, ErrorKind};
pub use self::span::{Names, Sampler};
pub use self::telemetry::{Report, Telemetry};
