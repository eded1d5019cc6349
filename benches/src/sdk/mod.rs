//! The work with this SDK, and the bare work it is compared with.

mod chunk;
mod client;
mod metrics;
mod server;
mod span;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use llasta_telemetry::line::{LineSink, Style};
use llasta_telemetry::opentelemetry::Value;
use llasta_telemetry::schema::llm;
use llasta_telemetry::{Guard, Sampler, Telemetry};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::exercise::Proof;
use crate::measure::Variant;

/// Every variant of the SDK, and before those of each group its base.
pub fn variants() -> Vec<Variant> {
    [
        server::variants(),
        client::variants(),
        chunk::variants(),
        span::variants(),
        metrics::observations(),
        metrics::pages(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A telemetry whose output is counted.
#[derive(Debug)]
struct Observed {
    telemetry: Guard,
    spans: Arc<AtomicU64>,
    lines: Arc<AtomicU64>,
    characters: Arc<AtomicU64>,
}

impl Observed {
    fn new(sampler: Sampler) -> Self {
        let (spans, lines) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let counted = lines.clone();
        let characters = Arc::new(AtomicU64::new(0));
        let exporter = Counting {
            spans: spans.clone(),
            characters: characters.clone(),
        };
        let telemetry = Telemetry::builder("bench")
            .sampler(sampler)
            .span_exporter(exporter)
            .log_lines(LineSink::new(Style::Json, move |_| {
                counted.fetch_add(1, Relaxed);
            }))
            .build()
            .expect("the settings are constants");
        Self {
            telemetry,
            spans,
            lines,
            characters,
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

    /// What the spans say in `llm.final_chars`, added up.
    fn characters(&self) -> u64 {
        self.characters.load(Relaxed)
    }

    /// As many spans as operations, or none where nothing is sampled.
    fn proof_of_spans(self: Rc<Self>, sampler: Sampler) -> Proof {
        let settled = self.clone();
        Proof::new(
            move || settled.flush(),
            move |operations| {
                let sampled = sampler != Sampler::AlwaysOff;
                self.verify(if sampled { operations } else { 0 }, 0);
            },
        )
    }
}

/// Takes spans and counts them, and the characters they speak of.
#[derive(Debug)]
struct Counting {
    spans: Arc<AtomicU64>,
    characters: Arc<AtomicU64>,
}

impl SpanExporter for Counting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.spans.fetch_add(batch.len() as u64, Relaxed);
        for attribute in batch.iter().flat_map(|span| &span.attributes) {
            if attribute.key.as_str() == llm::FINAL_CHARS.name()
                && let Value::I64(characters) = attribute.value
            {
                self.characters
                    .fetch_add(characters.unsigned_abs(), Relaxed);
            }
        }
        Ok(())
    }
}
