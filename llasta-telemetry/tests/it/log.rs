//! Log lines, and spans of `tracing` in the same traces.

use llasta_telemetry::content::{Capture, ContentPolicy, Messages};
use llasta_telemetry::line::LineSink;
use llasta_telemetry::log::LineLayer;
use llasta_telemetry::opentelemetry_sdk::error::OTelSdkResult;
use llasta_telemetry::opentelemetry_sdk::trace::{SpanData, SpanExporter};
use llasta_telemetry::schema::rag::{BuildContext, RetrieveContext};
use llasta_telemetry::{Guard, Telemetry};
use serde_json::Value;
use tracing_subscriber::layer::SubscriberExt;

use super::support::{Collector, Lines, PATIENCE, Spans, alone, eager, telemetry};

/// Events of this thread become lines of the telemetry while `work` runs.
fn with_lines(telemetry: &Telemetry, work: impl FnOnce()) {
    let subscriber = tracing_subscriber::registry().with(LineLayer::new(telemetry.clone()));
    tracing::subscriber::with_default(subscriber, work);
}

fn only(lines: &mut Lines) -> Value {
    let all = lines.all();
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].clone()
}

mod shop {
    llasta_telemetry::schema! {
        /// A shop.
        namespace shop;
        keys {
            /// What the customer wrote.
            NOTE: "shop.note" => str { content, example: "Ring twice." },
        }
    }
}

#[test]
fn content_in_a_line_goes_through_the_policy() {
    let (sink, mut lines) = Lines::new();
    let policy = |policy: ContentPolicy| {
        Telemetry::builder("shop")
            .span_exporter(Nowhere)
            .schema(&shop::NAMESPACE)
            .content(policy)
            .log_lines(sink.clone())
            .build()
            .unwrap()
    };
    let long = "ä".repeat(200);
    let say = || {
        let messages = "[]";
        tracing::info!(rag.query = %long, shop.note = "Ring.", llm.top = "stays", gen_ai.input.messages = messages, "said");
    };
    let usual = policy(ContentPolicy::default());
    with_lines(&usual, say);
    let line = only(&mut lines);
    assert_eq!(line["rag.query"], "ä".repeat(100));
    assert_eq!(line["shop.note"], "Ring.");
    assert_eq!(line["llm.top"], "stays");
    assert!(line["gen_ai.input.messages"].is_null());

    let off = policy(ContentPolicy::new(Some(Capture::Off), Messages::NoContent));
    with_lines(&off, say);
    let line = only(&mut lines);
    assert!(
        line["rag.query"].is_null() && line["shop.note"].is_null(),
        "{line}"
    );
    assert_eq!(line["message"], "said");

    let redacted = ContentPolicy::new(None, Messages::EventOnly);
    let redacted = policy(redacted.redact(|text| text.replace('R', "*").into()));
    with_lines(&redacted, say);
    let line = only(&mut lines);
    assert_eq!(line["shop.note"], "*ing.");
    assert_eq!(line["gen_ai.input.messages"], "[]");
}

/// Takes spans and forgets them.
#[derive(Debug)]
struct Nowhere;

impl SpanExporter for Nowhere {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

mod other_shop {
    llasta_telemetry::schema! {
        /// Another shop.
        namespace shop;
        keys {
            /// What the driver wrote.
            NOTE: "shop.note" => str { example: "Nobody there." },
        }
    }
}

#[test]
fn two_declarations_of_one_name_are_told_at_the_start() {
    let clash = Telemetry::builder("shop")
        .span_exporter(Nowhere)
        .schema(&shop::NAMESPACE)
        .schema(&other_shop::NAMESPACE)
        .build()
        .unwrap_err()
        .to_string();
    assert!(clash.contains("shop.note"), "{clash}");
}

#[test]
fn a_line_outside_of_spans_has_the_contract_s_fields_and_no_ids() {
    let (telemetry, mut lines) = telemetry("shop", &Collector::start());
    with_lines(&telemetry, || {
        tracing::warn!(items = 3, share = 0.5, full = true, name = "a", shown = ?[1], "hello");
    });
    let line = only(&mut lines);
    let mut keys: Vec<_> = line.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    let expected = [
        "full",
        "items",
        "level",
        "message",
        "name",
        "service.name",
        "share",
        "shown",
        "target",
        "timestamp",
    ];
    assert_eq!(keys, expected);
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["message"], "hello");
    assert_eq!(line["service.name"], "shop");
    assert_eq!(line["target"], module_path!());
    assert_eq!(
        (&line["items"], &line["share"], &line["full"]),
        (&3.into(), &0.5.into(), &true.into())
    );
    assert_eq!(
        (&line["name"], &line["shown"]),
        (&"a".into(), &"[1]".into())
    );
    let at = line["timestamp"].as_str().unwrap();
    assert_eq!(at.len(), "2026-11-23T02:11:19.000123Z".len(), "{at}");
    assert!(at.ends_with('Z') && at.as_bytes()[10] == b'T', "{at}");
}

#[test]
fn whatever_a_text_holds_the_line_is_one_line_of_json() {
    let (telemetry, mut lines) = telemetry("shop", &Collector::start());
    let nasty = "\"quoted\" \\ back\nnew\r\ttab \u{1} \u{7f} ünïcödé 🦀";
    with_lines(&telemetry, || tracing::info!(text = nasty, "{nasty}"));
    let line = only(&mut lines);
    assert_eq!(
        (&line["text"], &line["message"]),
        (&nasty.into(), &nasty.into())
    );
}

#[test]
fn a_line_in_a_span_has_its_ids_and_the_name_of_who_records_it() {
    let collector = Collector::start();
    let (shop, mut shop_lines) = telemetry("shop", &collector);
    let (bank, mut bank_lines) = telemetry("bank", &collector);
    with_lines(&shop, || {
        let span = RetrieveContext::start_in(&bank, 5, 0.5);
        span.in_scope(|| tracing::info!("inside"));
        let line = only(&mut bank_lines);
        assert_eq!(line["service.name"], "bank");
        assert_eq!(line["trace_id"], span.trace_id().to_string());
        assert_eq!(line["span_id"], span.span_id().to_string());
    });
    assert!(shop_lines.all().is_empty());
}

#[tracing::instrument]
fn user_code() {
    tracing::info!("in the user's span");
    let typed = BuildContext::start(1, 2);
    typed.in_scope(|| {
        tracing::info!("in the typed span");
        inner_user_code();
    });
    typed.finish(1, 2);
}

#[tracing::instrument]
fn inner_user_code() {
    tracing::info!("in the inner user's span");
}

/// A telemetry that is installed: only one fits into a process.
fn installed(collector: &Collector, lines: LineSink) -> Guard {
    Telemetry::builder("shop")
        .otlp_endpoint(collector.endpoint())
        .queue(eager())
        .log_lines(lines)
        .install()
        .unwrap()
}

#[test]
fn spans_of_tracing_and_typed_spans_nest_in_both_directions_and_lines_carry_the_innermost() {
    alone(&[], || {
        let mut collector = Collector::start();
        let (sink, mut lines) = Lines::new();
        let telemetry = installed(&collector, sink);
        let outer = RetrieveContext::start(5, 0.5);
        outer.in_scope(user_code);
        drop(outer);
        assert!(telemetry.flush_blocking(PATIENCE).is_complete());
        let spans = collector.arrived();
        let chain = [
            "rag.retrieve_context",
            "user_code",
            "rag.build_context",
            "inner_user_code",
        ];
        assert_eq!(spans.len(), chain.len(), "{spans:?}");
        let mut parent = String::new();
        for name in chain {
            let span = spans.named(name);
            assert_eq!(span.parent(), parent, "{name}");
            assert_eq!(span.trace_id(), spans[0].trace_id());
            assert_eq!(span.service(), "shop");
            parent = span.span_id();
        }
        let all = lines.all();
        for (message, name) in [
            ("in the user's span", "user_code"),
            ("in the typed span", "rag.build_context"),
            ("in the inner user's span", "inner_user_code"),
        ] {
            let line = all.iter().find(|line| line["message"] == message).unwrap();
            assert_eq!(line["span_id"], spans.named(name).span_id(), "{message}");
            assert_eq!(line["trace_id"], spans.named(name).trace_id(), "{message}");
        }
    });
}

#[test]
fn the_first_line_says_where_spans_go() {
    alone(&[], || {
        let collector = Collector::start();
        let (sink, mut lines) = Lines::new();
        let _telemetry = installed(&collector, sink);
        let first = lines.all()[0].clone();
        assert_eq!(
            first["message"],
            format!("OTLP endpoint: {}", collector.endpoint())
        );
    });
}

#[test]
fn a_second_subscriber_is_refused_with_what_to_do_instead() {
    alone(&[("OTEL_TRACES_EXPORTER", "none")], || {
        let _first = Telemetry::builder("shop").install().unwrap();
        let error = Telemetry::builder("bank").install().unwrap_err();
        assert!(error.to_string().contains("call build()"), "{error}");
    });
}

#[test]
fn the_filter_says_which_lines_are_written_access_lines_included() {
    alone(
        &[
            ("LLASTA_LOG", "warn"),
            ("RUST_LOG", "trace"),
            ("OTEL_TRACES_EXPORTER", "none"),
        ],
        || {
            let (sink, mut lines) = Lines::new();
            let telemetry = Telemetry::builder("shop")
                .log_lines(sink)
                .install()
                .unwrap();
            tracing::info!("not this");
            tracing::warn!("this");
            let app = axum::Router::new()
                .route("/", axum::routing::get(|| async {}))
                .layer(telemetry.layer());
            let request = http::Request::get("/")
                .body(axum::body::Body::empty())
                .unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            runtime
                .block_on(tower::ServiceExt::oneshot(app, request))
                .unwrap();
            let messages: Vec<_> = lines
                .all()
                .iter()
                .map(|line| line["message"].clone())
                .collect();
            assert_eq!(messages, ["this"]);
        },
    );
}
