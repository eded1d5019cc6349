//! Two telemetries in one process do not mix.

use llasta_telemetry::Telemetry;
use llasta_telemetry::context::{self, carry};
use llasta_telemetry::opentelemetry::trace::TraceId;
use llasta_telemetry::schema::labels::{ChatEndpoint, Outcome};
use llasta_telemetry::schema::{chatbot::ChatbotMetrics, rag};
use llasta_telemetry::testing::Recorder;

fn names(seen: &Recorder) -> Vec<String> {
    seen.spans().into_iter().map(|span| span.name).collect()
}

#[test]
fn a_span_is_recorded_by_whoever_records_its_parent() {
    let (a, b) = (Recorder::new("a"), Recorder::new("b"));
    let in_a = rag::RetrieveContext::start_in(a.telemetry(), 5, 0.5);
    in_a.in_scope(|| {
        assert_eq!(Telemetry::current().service_name(), "a");
        drop(rag::BuildContext::start(1, 1));
        let in_b = rag::RetrieveContext::start_in(b.telemetry(), 5, 0.5);
        in_b.in_scope(|| {
            assert_eq!(Telemetry::current().service_name(), "b");
            drop(rag::BuildContext::start(1, 1));
        });
        assert_eq!(Telemetry::current().service_name(), "a", "it is put back");
        drop(rag::BuildContext::start(1, 1));
    });
    drop(in_a);
    assert_eq!(
        names(&a),
        [
            "rag.build_context",
            "rag.build_context",
            "rag.retrieve_context"
        ]
    );
    assert_eq!(names(&b), ["rag.build_context", "rag.retrieve_context"]);
    assert!(b.spans().iter().all(|span| span.service == "b"));
}

#[tokio::test]
async fn their_tasks_do_not_mix_either() {
    let (a, b) = (Recorder::new("a"), Recorder::new("b"));
    let work = |seen: &Recorder| {
        let span = rag::RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
        tokio::spawn(async move {
            let scope = span.scope();
            let inner = context::Carried::new(scope, async {
                for _ in 0..20 {
                    drop(rag::BuildContext::start(1, 1));
                    tokio::task::yield_now().await;
                }
                tokio::spawn(carry(async { drop(rag::BuildContext::start(1, 1)) }))
                    .await
                    .unwrap();
            });
            inner.await;
        })
    };
    let (in_a, in_b) = tokio::join!(work(&a), work(&b));
    in_a.unwrap();
    in_b.unwrap();
    for seen in [&a, &b] {
        let spans = seen.spans();
        assert_eq!(spans.len(), 22);
        assert!(spans.iter().all(|span| span.trace_id == spans[0].trace_id));
    }
}

#[test]
fn each_has_a_page_of_its_own_and_registers_a_metric_once() {
    let (a, b) = (Recorder::new("a"), Recorder::new("b"));
    let metrics = ChatbotMetrics::register(a.telemetry().registry());
    let again = ChatbotMetrics::register(a.telemetry().registry());
    metrics.requests(ChatEndpoint::Chat, Outcome::Success).inc();
    again.requests(ChatEndpoint::Chat, Outcome::Success).inc();
    let series = "chatbot_requests_total{status=\"success\",endpoint=\"/api/chat\"}";
    assert_eq!(a.counter(series), Some(2), "both are the same instrument");
    assert_eq!(b.counter(series), None);
    ChatbotMetrics::register(b.telemetry().registry());
    assert_eq!(b.counter(series), Some(0));
}

#[test]
fn outside_of_any_span_nothing_is_recorded_and_nothing_breaks() {
    assert!(!Telemetry::disabled().is_enabled());
    let span = rag::RetrieveContext::start_in(&Telemetry::disabled(), 5, 0.5);
    span.query("Why?").results_raw_count(3);
    span.fail("timeout", "");
    assert!(!span.is_recording());
    assert_eq!(span.trace_id(), TraceId::INVALID);
    span.in_scope(|| assert!(!context::ids().is_valid()));
}
