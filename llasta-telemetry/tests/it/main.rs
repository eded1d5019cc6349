//! What this crate promises, proved from outside. One binary, one file a subject.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the helpers of tests may panic as tests may"
)]

mod baggage;
mod client;
mod environment;
mod floors;
mod house;
mod http_answers;
mod http_endings;
mod http_settings;
mod install;
mod lines;
mod llm;
mod log;
mod metrics_route;
mod mixin;
mod pipeline;
mod registry;
mod support;
mod testing_kit;
mod tracing_spans;
