//! Spans of `tracing` beside typed ones, and what an installed telemetry says of itself.

use llasta_telemetry::schema::rag::{BuildContext, RetrieveContext};
use llasta_telemetry::{Guard, Telemetry};
use serde_json::Value;
use tracing::{Instrument, info, info_span, instrument};

use super::support::{Collector, Lines, PATIENCE, Spans, alone, eager, unreachable};

/// Installs a telemetry, which can be done once in a process.
fn install(collector: &Collector) -> (Guard, Lines) {
    let (sink, lines) = Lines::new();
    let guard = Telemetry::builder("svc")
        .otlp_endpoint(collector.endpoint())
        .queue(eager())
        .log_lines(sink)
        .install()
        .unwrap();
    (guard, lines)
}

/// The line with this message.
fn said(lines: &mut Lines, message: &str) -> Value {
    loop {
        let line = lines
            .written()
            .unwrap_or_else(|| panic!("no line says {message}"));
        if line["message"] == message {
            return line;
        }
    }
}

#[instrument(fields(rag.top_k = 5))]
async fn outermost() {
    tokio::task::yield_now().await;
    let typed = RetrieveContext::start(5, 0.5);
    typed.run(inner()).await;
    info!("in the outermost");
}

#[instrument(skip_all)]
async fn inner() {
    tokio::task::yield_now().await;
    info!("in the inner");
    let innermost = BuildContext::start(1, 1);
    innermost.run(say()).await;
    innermost.finish(1, 1);
}

async fn say() {
    tokio::task::yield_now().await;
    info!("in the innermost");
}

#[test]
fn futures_that_are_polled_by_turns_do_not_get_into_each_other_s_spans() {
    alone(&[], || {
        let mut collector = Collector::start();
        let (telemetry, mut lines) = install(&collector);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            // Two at once, whose polls alternate: neither gets into the other's trace.
            tokio::join!(
                outermost(),
                info_span!("other").in_scope(|| outermost().in_current_span())
            );
            let report = telemetry.flush(PATIENCE).await;
            assert_eq!(report.exported, 9, "spans of both kinds wait in one queue");
        });
        let spans = collector.arrived();
        let other = spans.named("other").trace_id();
        let first: Vec<_> = spans
            .iter()
            .filter(|span| span.trace_id() != other)
            .cloned()
            .collect();
        assert_eq!(first.len(), 4);
        let chain = [
            "outermost",
            "rag.retrieve_context",
            "inner",
            "rag.build_context",
        ];
        assert_eq!(first.named(chain[0]).parent(), "");
        for pair in chain.windows(2) {
            let (parent, child) = (first.named(pair[0]), first.named(pair[1]));
            assert_eq!(
                child.parent(),
                parent.span_id(),
                "{} under {}",
                pair[1],
                pair[0]
            );
            assert_eq!(child.trace_id(), parent.trace_id());
            assert_eq!(child.resource, parent.resource);
        }
        assert_eq!(first.named("outermost").get("rag.top_k"), 5);

        let mut all: Vec<Value> = std::iter::from_fn(|| lines.written()).collect();
        all.retain(|line| line["trace_id"] == first[0].trace_id());
        for (message, span) in [
            ("in the innermost", "rag.build_context"),
            ("in the inner", "inner"),
            ("in the outermost", "outermost"),
        ] {
            let line = all.iter().find(|line| line["message"] == message).unwrap();
            assert_eq!(line["span_id"], first.named(span).span_id(), "{message}");
        }
        assert_eq!(telemetry.shutdown_blocking(PATIENCE).exported, 9);
    });
}

#[test]
fn an_installed_telemetry_records_where_none_is_current() {
    alone(&[], || {
        let mut collector = Collector::start();
        let (telemetry, _lines) = install(&collector);
        BuildContext::start(1, 1).finish(1, 1);
        std::thread::spawn(|| BuildContext::start(2, 2).finish(2, 2))
            .join()
            .unwrap();
        assert_eq!(telemetry.shutdown_blocking(PATIENCE).exported, 2);
        assert_eq!(collector.arrived().len(), 2);
    });
}

#[test]
fn an_endpoint_whose_scheme_is_assumed_is_warned_about() {
    alone(&[], || {
        let collector = Collector::start();
        let (sink, mut lines) = Lines::new();
        let bare = collector.endpoint().replace("http://", "");
        let builder = Telemetry::builder("svc")
            .otlp_endpoint(bare)
            .log_lines(sink);
        let _telemetry = builder.install().unwrap();
        said(
            &mut lines,
            &format!("OTLP endpoint: {}", collector.endpoint()),
        );
        let warning = lines.written().unwrap();
        assert_eq!(warning["level"], "WARN");
        assert!(
            warning["message"].as_str().unwrap().contains("no scheme"),
            "{warning}"
        );
    });
}

#[test]
fn only_the_application_s_spans_are_traced() {
    alone(&[], || {
        let mut collector = Collector::start();
        let (telemetry, _lines) = install(&collector);
        for _ in 0..2 {
            info_span!(target: "h2::client", "transport").in_scope(|| {});
            info_span!(target: "h2o", "application").in_scope(|| {});
            tracing::debug_span!("detail").in_scope(|| {});
            telemetry.flush_blocking(PATIENCE);
            let names: Vec<_> = collector
                .arrived()
                .iter()
                .map(|span| span.name().to_owned())
                .collect();
            assert_eq!(
                names,
                ["application"],
                "exporting traces nothing of its own"
            );
        }
    });
}

#[test]
fn a_collector_that_cannot_be_reached_is_complained_about_once() {
    alone(&[], || {
        let (sink, mut lines) = Lines::new();
        let builder = Telemetry::builder("svc")
            .otlp_endpoint(unreachable())
            .queue(eager())
            .log_lines(sink);
        let telemetry = builder.install().unwrap();
        for _ in 0..3 {
            BuildContext::start(1, 1).finish(1, 1);
            telemetry.flush_blocking(std::time::Duration::from_millis(50));
        }
        telemetry.shutdown_blocking(PATIENCE);
        let lines = std::iter::from_fn(|| lines.written());
        let complaints: Vec<_> = lines.filter(|line| line["level"] == "WARN").collect();
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        let message = complaints[0]["message"].as_str().unwrap();
        assert!(message.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{message}");
        assert_eq!(
            complaints[0]["target"],
            "llasta_telemetry::pipeline::worker"
        );
    });
}
