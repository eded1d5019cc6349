//! This SDK as a stack.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use llasta_telemetry::line::{LineSink, Style};
use llasta_telemetry::metrics::Format;
use llasta_telemetry::{Guard, Telemetry};

use crate::sink::{SpansSeen, v033};
use crate::stack::{Reported, Stack, read_page};

pub(super) struct Sdk {
    pub(super) telemetry: Guard,
    seen: Arc<Mutex<SpansSeen>>,
}

impl Sdk {
    pub(super) fn install() -> Self {
        let (exporter, seen) = v033::exporter();
        let telemetry = Telemetry::builder("bench")
            .span_exporter(exporter)
            .log_lines(LineSink::new(Style::Json, |_| {}))
            .build()
            .expect("the settings are constants");
        Self { telemetry, seen }
    }

    pub(super) fn spans(&self) -> SpansSeen {
        self.flush();
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Stack for Sdk {
    fn around(&self, router: Router) -> Router {
        router.layer(self.telemetry.layer())
    }

    fn flush(&self) {
        let report = self.telemetry.flush_blocking(Duration::from_secs(30));
        assert!(report.is_complete(), "{report}");
    }

    fn reported(&self) -> Reported {
        let page = self.telemetry.registry().render(Format::OpenMetrics);
        Reported {
            spans: Some(self.spans()),
            metrics: Some(read_page(&page)),
            duration: "bench_request_duration_seconds",
            in_flight: "bench_requests_in_flight",
            lines: None,
        }
    }
}
