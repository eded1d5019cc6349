//! What the tests share: a collector that keeps what it receives, log lines as they are written,
//! a client for each protocol, and processes of their own.

mod alone;
mod collector;
mod lines;
mod shop;
mod wire;

use std::future::Future;
use std::time::Duration;

use llasta_telemetry::pipeline::QueueLimits;
use llasta_telemetry::{Guard, Telemetry};

pub(crate) use self::alone::alone;
pub(crate) use self::collector::{Collector, Span, Spans, black_hole, unreachable};
pub(crate) use self::lines::Lines;
pub(crate) use self::shop::Shop;
pub(crate) use self::wire::{BoxError, Client, Protocol, body_text, serve, stream_of};

/// Far more than anything here takes: only a hang reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for what must happen, and says what did not.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} did not happen"),
    }
}

/// Limits under which a span reaches the collector at once.
pub(crate) fn eager() -> QueueLimits {
    QueueLimits {
        delay: Duration::from_millis(5),
        ..QueueLimits::default()
    }
}

/// A telemetry that exports to the collector, and the lines it writes.
pub(crate) fn telemetry(service: &str, collector: &Collector) -> (Guard, Lines) {
    let (sink, lines) = Lines::new();
    let guard = Telemetry::builder(service)
        .otlp_endpoint(collector.endpoint())
        .queue(eager())
        .log_lines(sink)
        .build()
        .unwrap();
    (guard, lines)
}
