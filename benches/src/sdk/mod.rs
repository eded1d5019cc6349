//! The work with this SDK, and the bare work it is compared with.

mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use llasta_telemetry::line::{LineSink, Style};
use llasta_telemetry::{Guard, Sampler, Telemetry};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::measure::Variant;

/// Every variant of the SDK, and before those of each group its base.
pub fn variants() -> Vec<Variant> {
    server::variants()
}

/// A telemetry whose output is counted.
#[derive(Debug)]
struct Observed {
    telemetry: Guard,
    spans: Arc<AtomicU64>,
    lines: Arc<AtomicU64>,
}

impl Observed {
    fn new(sampler: Sampler) -> Self {
        let (spans, lines) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let counted = lines.clone();
        let telemetry = Telemetry::builder("bench")
            .sampler(sampler)
            .span_exporter(Counting(spans.clone()))
            .log_lines(LineSink::new(Style::Json, move |_| {
                counted.fetch_add(1, Relaxed);
            }))
            .build()
            .expect("the settings are constants");
        Self {
            telemetry,
            spans,
            lines,
        }
    }

    /// Exports what waits. A batch fits into the queue, so nothing was lost until here.
    fn flush(&self) {
        let report = self.telemetry.flush_blocking(Duration::from_secs(60));
        assert!(report.is_complete(), "{report}");
    }

    fn verify(&self, spans: u64, lines: u64) {
        assert_eq!(self.spans.load(Relaxed), spans, "spans");
        assert_eq!(self.lines.load(Relaxed), lines, "lines");
    }
}

/// Takes spans and counts them.
#[derive(Debug)]
struct Counting(Arc<AtomicU64>);

impl SpanExporter for Counting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.fetch_add(batch.len() as u64, Relaxed);
        Ok(())
    }
}
