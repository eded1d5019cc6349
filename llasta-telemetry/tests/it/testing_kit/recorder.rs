use std::sync::Arc;
use std::time::Duration;

use llasta_telemetry::opentelemetry::KeyValue;
use llasta_telemetry::schema::chatbot::ChatbotMetrics;
use llasta_telemetry::schema::labels::{ChatEndpoint, Outcome};
use llasta_telemetry::schema::rag::{BuildContext, RetrieveContext};
use llasta_telemetry::testing::{AttributeValue, CapturedSpan, Recorder, StillClock};
use llasta_telemetry::{Names, Report, Sampler};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn two_runs_are_the_same_to_the_last_digit() {
    let run = || {
        let seen = Recorder::builder("shop")
            .step(Duration::from_millis(2))
            .build();
        let outer = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
        outer.in_scope(|| BuildContext::start(3, 4000).finish(2, 10));
        drop(outer);
        seen.spans()
    };
    assert_eq!(run(), run());
    let spans = run();
    assert_eq!(spans[0].parent_span_id.as_ref(), Some(&spans[1].span_id));
    assert_eq!(spans[1].start_unix_nano, 1_767_225_600_000_000_000);
    assert_eq!(spans[0].duration_ms(), 2.0);
    assert_eq!(spans[1].duration_ms(), 6.0);
}

#[test]
fn recorders_of_two_services_never_hand_out_the_same_id() {
    let id = |service| {
        let seen = Recorder::new(service);
        let span = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
        (span.trace_id(), span.span_id())
    };
    let (a, b) = (id("chatbot-rag"), id("faiss-wrap"));
    assert_ne!(a.0, b.0);
    assert_ne!(a.1, b.1);
}

#[test]
fn time_stands_still_until_it_is_told_to_go_on() {
    let seen = Recorder::new("shop");
    let span = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    assert_eq!(span.elapsed(), Duration::ZERO);
    seen.clock().advance(Duration::from_millis(40));
    assert_eq!(span.elapsed(), Duration::from_millis(40));
    drop(span);
    assert_eq!(seen.spans()[0].duration_ms(), 40.0);
}

#[test]
fn one_clock_can_serve_two_services() {
    let clock = Arc::new(StillClock::new());
    let recorder = |service| Recorder::builder(service).clock(clock.clone()).build();
    let (a, b) = (recorder("a"), recorder("b"));
    a.clock().advance(Duration::from_secs(1));
    drop(RetrieveContext::start_in(b.telemetry(), 5, 0.5));
    assert_eq!(b.spans()[0].start_unix_nano, 1_767_225_601_000_000_000);
}

#[test]
fn a_captured_span_holds_what_was_said_and_who_said_it() {
    let seen = Recorder::builder("shop")
        .names(Names::Llasta)
        .resource(KeyValue::new("deployment.environment.name", "test"))
        .build();
    let span = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    span.query("Why?").score_avg(0.75);
    span.fail("timeout", "after 3 s");
    drop(span);
    let span = seen.span("rag.retrieve_context").expect("there is one");
    assert_eq!((span.kind, span.status), ("INTERNAL", "error"));
    assert_eq!(span.status_message, "after 3 s");
    assert_eq!(
        (span.service.as_str(), span.scope.as_str()),
        ("shop", "llasta-telemetry")
    );
    assert_eq!(span.int("rag.top_k"), Some(5));
    assert_eq!(span.double("rag.score_avg"), Some(0.75));
    assert_eq!(span.text("rag.query"), Some("Why?"));
    assert_eq!(span.int("rag.score_avg"), None, "a double is no int");
    assert_eq!(span.bool("rag.top_k"), None);
    let environment = AttributeValue::String("test".to_owned());
    assert_eq!(span.resource["deployment.environment.name"], environment);
    assert_eq!(
        span.resource["telemetry.sdk.language"],
        AttributeValue::String("rust".to_owned())
    );
    assert_eq!(seen.span("rag.build_context"), None);
}

#[test]
fn as_json_a_span_has_exactly_the_ten_fields_of_the_demo() {
    let seen = Recorder::builder("shop").names(Names::Llasta).build();
    let outer = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    seen.clock().advance(Duration::from_micros(1500));
    outer.in_scope(|| BuildContext::start(3, 4000).finish(2, 10));
    drop(outer);
    let json = serde_json::to_value(seen.spans()).unwrap();
    assert_eq!(
        json[1],
        serde_json::json!({
            "trace_id": json[0]["trace_id"],
            "span_id": json[0]["parent_span_id"],
            "parent_span_id": null,
            "name": "rag.retrieve_context",
            "kind": "INTERNAL",
            "service": "shop",
            "start_unix_nano": 1_767_225_600_000_000_000u64,
            "duration_ms": 1.5,
            "status": "unset",
            "attributes": {"rag.top_k": 5, "rag.min_score": 0.5},
        })
    );
    assert_eq!(json[0]["trace_id"].as_str().unwrap().len(), 32);
    assert_eq!(json[0]["span_id"].as_str().unwrap().len(), 16);
}

#[test]
fn metrics_are_looked_up_as_series() {
    let seen = Recorder::new("chatbot-rag");
    let metrics = ChatbotMetrics::register(seen.telemetry().registry());
    metrics
        .requests(ChatEndpoint::Chat, Outcome::Success)
        .add(2);
    metrics.requests(ChatEndpoint::Chat, Outcome::Error).inc();
    metrics.rag_chunks_sent().observe(3.0);
    assert_eq!(
        seen.counter("chatbot_requests_total{status=\"success\"}"),
        Some(2)
    );
    assert_eq!(
        seen.counter("chatbot_requests_total{endpoint=\"/api/chat\"}"),
        Some(3)
    );
    assert_eq!(seen.metric("chatbot_rag_chunks_sent_sum"), Some(3.0));
    assert_eq!(seen.metric("chatbot_smiles_total"), None);
}

#[test]
fn what_is_not_sampled_is_not_captured() {
    let seen = Recorder::builder("shop")
        .sampler(Sampler::AlwaysOff)
        .build();
    drop(RetrieveContext::start_in(seen.telemetry(), 5, 0.5));
    assert_eq!(seen.spans(), []);
}

#[tokio::test]
async fn the_report_counts_what_was_captured_and_what_came_after_the_end() {
    let seen = Recorder::new("shop");
    drop(RetrieveContext::start_in(seen.telemetry(), 5, 0.5));
    let report = |exported, dropped| Report {
        exported,
        dropped,
        failed: 0,
    };
    assert_eq!(seen.telemetry().flush(SOON).await, report(1, 0));
    assert_eq!(seen.take_spans().len(), 1);
    assert_eq!(seen.telemetry().shutdown().await, report(1, 0));
    drop(RetrieveContext::start_in(seen.telemetry(), 5, 0.5));
    assert_eq!(seen.spans(), []);
    assert_eq!(seen.telemetry().flush(SOON).await, report(1, 1));
}

#[tokio::test]
async fn waiting_ends_with_the_span_that_was_waited_for() {
    let seen = Recorder::new("shop");
    let other = seen.clone();
    let thread = std::thread::spawn(move || {
        for chunks in 0..5 {
            drop(RetrieveContext::start_in(other.telemetry(), chunks, 0.5));
        }
    });
    let enough = |spans: &[CapturedSpan]| spans.iter().any(|span| span.int("rag.top_k") == Some(4));
    let spans = seen.wait_until(enough, SOON).await;
    assert_eq!(spans.len(), 5);
    thread.join().unwrap();
    // A deadline that has passed is no error.
    assert_eq!(seen.wait_until(|_| false, Duration::ZERO).await.len(), 5);
}
