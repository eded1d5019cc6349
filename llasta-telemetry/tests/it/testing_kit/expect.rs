//! Assertions that read as sentences: each condition holds where it should, and says what is there
//! instead where it should not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use llasta_telemetry::metrics::Format;
use llasta_telemetry::schema::Kind;
use llasta_telemetry::schema::chatbot::ChatbotMetrics;
use llasta_telemetry::schema::labels::{ChatEndpoint, Outcome};
use llasta_telemetry::schema::rag::{BuildContext, RetrieveContext};
use llasta_telemetry::testing::{CapturedPage, Evidence, Recorder, Waterfall};

/// A retrieval of 7 ms that holds a context of 2 ms, and a retrieval that failed.
fn seen() -> Recorder {
    let seen = Recorder::new("chatbot-rag");
    let outer = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    seen.clock().advance(Duration::from_millis(5));
    outer.in_scope(|| {
        let inner = BuildContext::start_in(seen.telemetry(), 3, 4000);
        seen.clock().advance(Duration::from_millis(2));
        inner.finish(2, 10);
    });
    drop(outer);
    let failed = RetrieveContext::start_in(seen.telemetry(), 7, 0.5);
    failed.fail("timeout", "too slow");
    drop(failed);
    seen
}

/// What the panic says.
fn refused<T>(expectation: impl FnOnce() -> T) -> String {
    let panic = catch_unwind(AssertUnwindSafe(expectation));
    let Err(panic) = panic else {
        panic!("the expectation was met");
    };
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn a_sentence_about_a_span_holds_word_for_word() {
    let seen = seen();
    let span = seen
        .expect_span("rag.retrieve_context")
        .of_kind(Kind::Internal)
        .from_service("chatbot-rag")
        .at_the_root()
        .with("rag.top_k", 5)
        .with("rag.min_score", 0.5)
        .with_some("gen_ai.retrieval.top_k")
        .without("rag.query")
        .that_succeeded()
        .lasting(Duration::from_millis(7))
        .once();
    seen.expect_span("rag.build_context")
        .under("rag.retrieve_context")
        .in_trace(&span.trace_id)
        .once();
    seen.expect_span("rag.retrieve_context")
        .failed_with("timeout")
        .with("rag.top_k", 7)
        .once();
    assert_eq!(seen.expect_span("rag.retrieve_context").times(2).len(), 2);
    seen.expect_no_span("vllm.generate");
}

#[test]
fn a_sentence_about_a_span_that_does_not_hold_says_what_is_there() {
    let seen = seen();
    let retrieve = || seen.expect_span("rag.retrieve_context");
    for (said, expected) in [
        (
            refused(|| seen.expect_span("rag.retrieve")),
            "expected a span `rag.retrieve`, but there are only [\"rag.build_context\", \"rag.retrieve_context\"]",
        ),
        (
            refused(|| retrieve().of_kind(Kind::Server)),
            "expected a span `rag.retrieve_context` of kind SERVER, but it is of kind INTERNAL, another is of kind INTERNAL",
        ),
        (
            refused(|| retrieve().with("rag.top_k", 5).with("rag.top_k", 5.0)),
            "expected a span `rag.retrieve_context` with `rag.top_k` = 5 with `rag.top_k` = 5.0, but it is with `rag.top_k` = 5 (int)",
        ),
        (
            refused(|| seen.expect_span("rag.build_context").with("rag.query", "x")),
            "but it is without `rag.query`",
        ),
        (
            refused(|| seen.expect_span("rag.build_context").with_some("rag.query")),
            "with some `rag.query`, but it is without `rag.query`",
        ),
        (
            refused(|| {
                seen.expect_span("rag.build_context")
                    .without("rag.chunks_sent")
            }),
            "but it is with `rag.chunks_sent` = 2",
        ),
        (
            refused(|| seen.expect_span("rag.build_context").under("vllm.generate")),
            "but it is under `rag.retrieve_context`",
        ),
        (
            refused(|| retrieve().under("POST /api/chat")),
            "but it is under nothing",
        ),
        (
            refused(|| seen.expect_span("rag.build_context").at_the_root()),
            "but it is under another span",
        ),
        (
            refused(|| retrieve().from_service("shop")),
            "but it is from the service `chatbot-rag`",
        ),
        (
            refused(|| seen.expect_span("rag.build_context").failed_with("timeout")),
            "but it is with the status unset and no `error.type`",
        ),
        (
            refused(|| retrieve().with("rag.top_k", 7).that_succeeded()),
            "but it is failed with timeout",
        ),
        (
            refused(|| {
                seen.expect_span("rag.build_context")
                    .lasting(Duration::from_millis(3))
            }),
            "lasting 3ms, but it is lasting 2ms",
        ),
        (
            refused(|| seen.expect_span("rag.build_context").in_trace("00")),
            "in the trace 00, but it is in the trace ",
        ),
        (refused(|| retrieve().once()), "1 times, but there are 2"),
        (
            refused(|| seen.expect_no_span("rag.build_context")),
            "expected no span `rag.build_context`, but there are 1",
        ),
    ] {
        assert!(said.contains(expected), "{said}\n{expected}");
    }
}

#[test]
fn a_metric_is_expected_by_its_series() {
    let seen = Recorder::new("chatbot-rag");
    let metrics = ChatbotMetrics::register(seen.telemetry().registry());
    let span = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    span.in_scope(|| {
        metrics.requests(ChatEndpoint::Chat, Outcome::Success).inc();
        metrics.request_duration(ChatEndpoint::Chat).observe(0.2);
    });
    drop(span);
    let span = seen.expect_span("rag.retrieve_context").once();
    seen.expect_metric("chatbot_requests_total{status=\"success\"}")
        .to_be(1.0)
        .with_exemplar_of(&span);
    seen.expect_metric("chatbot_requests_total")
        .to_be_at_least(1.0);
    // A histogram's name stands for the count of its values.
    seen.expect_metric("chatbot_request_duration_seconds{endpoint=\"/api/chat\"}")
        .to_be(1.0)
        .with_exemplar_of(&span);
    seen.expect_metric("chatbot_requests_total{status=\"error\"}")
        .to_be(0.0);

    for (said, expected) in [
        (
            refused(|| seen.expect_metric("chatbot_requests_total{status=\"lost\"}")),
            "expected the metric `chatbot_requests_total{status=\"lost\"}`, but it has no such series",
        ),
        (
            refused(|| seen.expect_metric("chatbot_requests_total").to_be(2.0)),
            "to be 2, but it is 1",
        ),
        (
            refused(|| {
                seen.expect_metric("chatbot_requests_total")
                    .to_be_at_least(2.0)
            }),
            "to be at least 2, but it is 1",
        ),
        (
            refused(|| {
                seen.expect_metric("chatbot_requests_total{status=\"error\"}")
                    .with_exemplar_of(&span)
            }),
            "but its exemplars are of []",
        ),
    ] {
        assert!(said.contains(expected), "{said}\n{expected}");
    }
    let text = CapturedPage::read("/metrics", &seen.page_text(Format::Text));
    let evidence = Evidence::new().page(text);
    evidence.expect_metric("chatbot_requests_total").to_be(1.0);
    let unreadable = Evidence::new().page(CapturedPage::read("shop:9090", "no page"));
    let said = refused(|| unreadable.expect_metric("chatbot_requests_total"));
    assert!(said.contains("shop:9090 could not be read"), "{said}");
}

#[test]
fn a_log_line_is_expected_by_its_message() {
    let seen = seen();
    let span = seen.expect_span("rag.build_context").once();
    let evidence = Evidence::new().lines([
        r#"{"level":"WARN","message":"slow","tries":2}"#.to_owned(),
        format!(
            r#"{{"level":"INFO","message":"slow","trace_id":"{}","span_id":"{}"}}"#,
            span.trace_id, span.span_id
        ),
        "no object".to_owned(),
    ]);
    evidence
        .expect_line("slow")
        .at_level("WARN")
        .with("tries", 2)
        .without("trace_id")
        .once();
    let line = evidence.expect_line("slow").in_span(&span).once();
    assert_eq!(line["level"], "INFO");
    for (said, expected) in [
        (
            refused(|| evidence.expect_line("fast")),
            "expected a line \"fast\", but the lines say [\"slow\", \"slow\"]",
        ),
        (
            refused(|| evidence.expect_line("slow").with("tries", 3)),
            "with tries=3, but it has tries=2, another has no tries",
        ),
        (
            refused(|| evidence.expect_line("slow").once()),
            "once, but there are 2",
        ),
        (
            refused(|| evidence.expect_line("slow").with("tries", 2).in_span(&span)),
            "but it has no trace_id",
        ),
        (
            refused(|| {
                evidence
                    .expect_line("slow")
                    .with("tries", 2)
                    .without("level")
            }),
            "without level, but it has level=\"WARN\"",
        ),
    ] {
        assert!(said.contains(expected), "{said}\n{expected}");
    }
}

#[test]
fn a_trace_is_compared_with_its_picture() {
    let seen = seen();
    Waterfall::new(&seen.spans()).assert_is(
        "
        rag.retrieve_context  INTERNAL  chatbot-rag
        └─ rag.build_context  INTERNAL  chatbot-rag

        rag.retrieve_context  INTERNAL  chatbot-rag  ✗ timeout
        ",
    );
    let said = refused(|| {
        Waterfall::new(&seen.spans()).assert_is(
            "
            rag.retrieve_context  INTERNAL  chatbot-rag
            └─ rag.build          INTERNAL  chatbot-rag

            rag.retrieve_context  INTERNAL  chatbot-rag  ✗ timeout
            ",
        );
    });
    assert!(
        said.contains("\n> └─ rag.build          INTERNAL  chatbot-rag\n")
            && said.contains("\n> └─ rag.build_context  INTERNAL  chatbot-rag\n")
            && said.contains("\n  rag.retrieve_context  INTERNAL  chatbot-rag\n"),
        "{said}"
    );
    let empty = Recorder::new("shop");
    Waterfall::new(&empty.spans()).assert_is("\n   \n");
}
