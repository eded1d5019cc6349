//! The peers' server layers, each as its documentation shows it.

mod assembled;
mod layers;

use std::rc::Rc;

use axum::Router;
use llasta_benches::exercise::{Proof, Server, chat_router};
use llasta_benches::measure::{Group, Variant};

pub(crate) use self::layers::read_page;
use crate::sink::{MetricsSeen, SpansSeen};

/// Telemetry for a router, and a look at what it reported. It installs what is global in its
/// process, so there is one for each process.
pub(crate) trait Stack {
    /// The router with the telemetry around it.
    fn around(&self, router: Router) -> Router;

    /// Sends what waits: between batches, not measured.
    fn flush(&self);

    /// Everything that was reported until now; `None` for what it does not report at all.
    fn reported(&self) -> Reported;
}

/// What a stack reported.
#[derive(Debug, Default)]
pub(crate) struct Reported {
    pub(crate) spans: Option<SpansSeen>,
    pub(crate) metrics: Option<MetricsSeen>,
    /// The metric that counts seconds of requests.
    pub(crate) duration: &'static str,
    /// The metric that says how many requests are being answered.
    pub(crate) in_flight: &'static str,
    /// Log lines.
    pub(crate) lines: Option<u64>,
}

/// A stack by its name.
pub(crate) struct Known {
    pub(crate) title: &'static str,
    /// Whether a sampler has a say in it.
    traces: bool,
    /// Whether it continues the trace of a caller.
    continues: bool,
    pub(crate) start: fn(sampled: bool) -> Box<dyn Stack>,
}

pub(crate) const ALL: [Known; 8] = [
    Known {
        title: "tower-http TraceLayer",
        traces: false,
        continues: false,
        start: |_| Box::new(layers::TowerHttp::install()),
    },
    Known {
        title: "tower-http TraceLayer + tracing-opentelemetry",
        traces: true,
        continues: false,
        start: |sampled| Box::new(layers::TowerHttpExported::install(sampled)),
    },
    Known {
        title: "axum-tracing-opentelemetry",
        traces: true,
        continues: true,
        start: |sampled| Box::new(layers::AxumTracing::install(sampled, false)),
    },
    Known {
        title: "axum-tracing-opentelemetry, tuned",
        traces: true,
        continues: true,
        start: |sampled| Box::new(layers::AxumTracing::install(sampled, true)),
    },
    Known {
        title: "opentelemetry-instrumentation-tower",
        traces: true,
        continues: true,
        start: |sampled| Box::new(layers::OtelTower::install(sampled)),
    },
    Known {
        title: "axum-prometheus",
        traces: false,
        continues: false,
        start: |_| Box::new(layers::AxumPrometheus::install()),
    },
    Known {
        title: "axum-otel-metrics",
        traces: false,
        continues: false,
        start: |_| Box::new(layers::AxumOtelMetrics::install()),
    },
    Known {
        title: "assembled stack",
        traces: true,
        continues: true,
        start: |sampled| Box::new(assembled::Assembled::install(sampled)),
    },
];

/// What the benches measure.
pub(crate) fn variants() -> Vec<Variant> {
    let mut variants = vec![Variant::new(Group::Server, "bare router", || {
        Server::new(chat_router(), Proof::none())
    })];
    for Known {
        title,
        traces,
        continues,
        start,
    } in ALL
    {
        variants.push(Variant::new(Group::Server, title, move || {
            server(start(true), true)
        }));
        if continues {
            let continued = format!("{title}, incoming traceparent");
            variants.push(Variant::new(Group::Server, continued, move || {
                server(start(true), true).with_traceparent()
            }));
        }
        if traces {
            let unsampled = format!("{title}, unsampled");
            variants.push(Variant::new(Group::Server, unsampled, move || {
                server(start(false), false)
            }));
        }
    }
    variants
}

fn server(stack: Box<dyn Stack>, sampled: bool) -> Server {
    let stack: Rc<dyn Stack> = stack.into();
    let router = stack.around(chat_router());
    let settled = stack.clone();
    let proof = Proof::new(
        move || settled.flush(),
        move |requests| {
            let reported = stack.reported();
            assert!(
                reported.spans.is_some() || reported.metrics.is_some(),
                "it reports nothing"
            );
            if let Some(spans) = reported.spans {
                assert_eq!(spans.count, if sampled { requests } else { 0 }, "spans");
            }
            if let Some(metrics) = reported.metrics {
                let duration = metrics.get(reported.duration).copied().unwrap_or_default();
                assert_eq!(duration.count, requests, "durations in {metrics:?}");
            }
            if let Some(lines) = reported.lines {
                assert_eq!(lines, requests, "lines");
            }
        },
    );
    Server::new(router, proof)
}
