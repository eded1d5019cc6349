//! A service with the tower layer on it, and what must be true of each of its requests.

use axum::Router;
use llasta_telemetry::http::{EndpointMetrics, RequestMetrics, ServiceMetrics};
use llasta_telemetry::pipeline::QueueLimits;
use llasta_telemetry::schema::LabelSet;
use llasta_telemetry::schema::labels::Outcome;
use llasta_telemetry::{Builder, Guard, Telemetry};
use serde_json::Value;

use super::collector::Span;
use super::{Client, Collector, Lines, Protocol, eager};

pub(crate) struct Shop {
    pub(crate) telemetry: Guard,
    pub(crate) collector: Collector,
    pub(crate) lines: Lines,
    taken: u64,
}

/// What one request left behind.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) span: Span,
    pub(crate) line: Value,
}

impl Settled {
    /// The word that says why it failed, which span and line must agree on.
    pub(crate) fn error(&self) -> Option<String> {
        let word = self.span.get("error.type");
        assert_eq!(word, self.line["error.type"], "{self:?}");
        assert_eq!(self.span.status() == 2, !word.is_null(), "{self:?}");
        word.as_str().map(str::to_owned)
    }

    pub(crate) fn status(&self) -> Option<i64> {
        let status = self.span.get("http.response.status_code");
        assert_eq!(status, self.line["status"], "{self:?}");
        status.as_i64()
    }
}

impl Shop {
    pub(crate) fn open() -> Self {
        let collector = Collector::start();
        let (telemetry, lines) = super::telemetry("shop", &collector);
        Self {
            telemetry,
            collector,
            lines,
            taken: 0,
        }
    }

    /// A shop whose sampler is set.
    pub(crate) fn sampling(sampler: llasta_telemetry::span::Sampler) -> Self {
        Self::built(|builder| builder.sampler(sampler))
    }

    /// A shop in which so many spans can wait to be exported.
    pub(crate) fn with_room_for(spans: usize) -> Self {
        let limits = QueueLimits {
            capacity: spans,
            ..eager()
        };
        Self::built(|builder| builder.queue(limits))
    }

    fn built(build: impl FnOnce(Builder) -> Builder) -> Self {
        let collector = Collector::start();
        let (sink, lines) = Lines::new();
        let builder = Telemetry::builder("shop")
            .otlp_endpoint(collector.endpoint())
            .queue(eager())
            .log_lines(sink);
        let telemetry = build(builder).build().unwrap();
        Self {
            telemetry,
            collector,
            lines,
            taken: 0,
        }
    }

    /// A client of this shop, which sells what the router says.
    pub(crate) async fn client(&self, protocol: Protocol, goods: Router) -> Client {
        Client::connect(protocol, goods.layer(self.telemetry.layer())).await
    }

    pub(crate) fn metrics(&self, route: Option<&str>) -> EndpointMetrics {
        ServiceMetrics::named(self.telemetry.registry(), "shop")
            .endpoint(route)
            .unwrap()
    }

    /// Waits until the first request of this route is settled, and checks what must be true
    /// whichever way it ended: one count, one duration, nothing in flight, one line with the ids of
    /// the span.
    pub(crate) async fn settled(&mut self, route: Option<&str>, outcome: Outcome) -> Settled {
        let line = self.lines.next().await;
        let span = self.collector.next().await;
        self.taken += 1;
        self.counted(route, outcome, 1);
        assert_eq!(line["message"], "request");
        assert_eq!(line["service.name"], "shop");
        assert_eq!(line["trace_id"], span.trace_id());
        assert_eq!(line["span_id"], span.span_id());
        assert_eq!(line["outcome"], outcome.text());
        assert_eq!(line["route"].as_str(), route);
        assert_eq!(span.get("http.route").as_str(), route);
        assert_eq!(span.proto.kind, 2, "SERVER");
        // Both are one reading of the clock.
        let duration = self.metrics(route).duration.sum();
        assert!(
            (span.seconds() - duration).abs() < 1e-6,
            "the span says {}, the histogram {duration}",
            span.seconds()
        );
        Settled { span, line }
    }

    /// That a route was counted so many times, each with this outcome, and has nothing in flight.
    pub(crate) fn counted(&self, route: Option<&str>, outcome: Outcome, times: u64) {
        let metrics = self.metrics(route);
        let counts: Vec<u64> = metrics.requests.iter().map(|one| one.value()).collect();
        let mut expected = vec![0; Outcome::VALUES.len()];
        expected[outcome.index()] = times;
        assert_eq!(counts, expected, "success, error, cancelled of {route:?}");
        assert_eq!(metrics.in_flight.value(), 0, "in flight on {route:?}");
        assert_eq!(metrics.duration.count(), times, "durations of {route:?}");
    }

    /// That nothing was recorded beside what was looked at.
    pub(crate) async fn close(mut self) {
        let report = self.telemetry.shutdown().await;
        assert_eq!(self.lines.written(), None);
        assert!(report.is_complete(), "{report}");
        assert_eq!(report.exported, self.taken);
    }
}
