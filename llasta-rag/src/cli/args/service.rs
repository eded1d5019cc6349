//! What every service takes.

// These comments are help texts: a terminal shows backticks as they are.
#![allow(clippy::doc_markdown)]

use std::net::IpAddr;

use clap::Args;
use llasta_telemetry::line::Style;

use super::super::values::{at_least, style};

/// What every service takes.
#[derive(Debug, Args)]
pub(crate) struct ServiceArgs {
    /// Address to listen on; 0.0.0.0 for all.
    #[arg(
        long,
        env = "APP_HOST",
        default_value = "127.0.0.1",
        value_name = "ADDRESS"
    )]
    pub(crate) host: IpAddr,

    /// Largest request body, in bytes.
    #[arg(long, env = "MAX_BODY_BYTES", default_value_t = llasta_rag::service::MAX_BODY_BYTES, value_parser = at_least(1_usize), value_name = "BYTES")]
    pub(crate) max_body_bytes: usize,

    /// Seconds that requests under way have to end in, once the service is told to stop.
    #[arg(long, env = "DRAIN_TIMEOUT_SECS", default_value_t = 10, value_parser = at_least(0_u64), value_name = "SECONDS")]
    pub(crate) drain_timeout_secs: u64,

    /// OTLP collector, such as http://alloy:4317 [env: OTEL_EXPORTER_OTLP_ENDPOINT]
    #[arg(long, value_name = "URL")]
    pub(crate) otlp_endpoint: Option<String>,

    /// How log lines look: json or pretty [env: LLASTA_LOG_FORMAT] [default: pretty on a terminal, else json]
    #[arg(long, value_name = "FORMAT", value_parser = style)]
    pub(crate) log_format: Option<Style>,

    /// Stop when standard input ends: for whoever starts services as children.
    #[arg(long, hide = true)]
    pub(crate) stop_with_stdin: bool,
}
