#![cfg_attr(all(feature = "axum", feature = "client", feature = "llm", feature = "log", feature = "otlp"), doc = include_str!("docs/front.md"))]
#![cfg_attr(
    not(all(
        feature = "axum",
        feature = "client",
        feature = "llm",
        feature = "log",
        feature = "otlp"
    )),
    doc = "Telemetry for LLM and RAG services. Build the documentation with the feature `full`."
)]
#![forbid(unsafe_code)]
// The lower floors are there for features that may all be off.
#![cfg_attr(
    not(all(
        feature = "axum",
        feature = "client",
        feature = "llm",
        feature = "log",
        feature = "otlp",
        feature = "registry",
        feature = "testing"
    )),
    allow(dead_code, unused_imports)
)]

extern crate self as llasta_telemetry;

#[cfg(feature = "client")]
pub mod client;
pub mod content;
pub mod context;
mod error;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "otlp")]
mod install;
pub mod line;
#[cfg(feature = "llm")]
pub mod llm;
#[cfg(feature = "log")]
pub mod log;
pub mod metrics;
#[cfg(feature = "otlp")]
pub mod pipeline;
#[cfg(feature = "registry")]
pub mod registry;
pub mod schema;
pub mod span;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;

#[doc = include_str!("docs/in_span.md")]
pub use llasta_telemetry_macros::in_span;
#[doc = include_str!("docs/schema.md")]
pub use llasta_telemetry_macros::schema;
pub use opentelemetry;
pub use opentelemetry_sdk;
pub use prometheus;

pub use self::error::{Error, ErrorKind};
#[cfg(feature = "otlp")]
pub use self::install::{Builder, Guard};
pub use self::span::{Names, Sampler};
pub use self::telemetry::{Report, Telemetry};
