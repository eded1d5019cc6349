//! The gaps between the pieces, and what is told when a call is settled.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use llasta_telemetry::llm::{ChatCall, ChatRequest, ChatSummary, InstrumentLlm, LlmMetrics};
use llasta_telemetry::schema::Text;
use llasta_telemetry::schema::chatbot::ChatbotMetrics;
use llasta_telemetry::schema::labels::Outcome;
use llasta_telemetry::testing::Recorder;
use llasta_telemetry::{context, schema};

use super::{Chunk, by_hand, stop, text, usage};

schema! {
    /// Metrics of a service of somebody else's.
    namespace helpdesk;

    metrics HelpdeskMetrics {
        /// Seconds between two pieces of an answer.
        histogram gaps: "helpdesk_llm_gap_seconds" { model: Text } buckets(schema::buckets::TOKEN_SECONDS) unit("s"),
    }
}

const REQUEST: ChatRequest<'_> = ChatRequest {
    model: "tiny",
    messages: 1,
    size: 90,
    stream: true,
    temperature: None,
    max_tokens: None,
};

fn metrics(recorder: &Recorder) -> LlmMetrics {
    let registry = recorder.telemetry().registry();
    let gaps = HelpdeskMetrics::register(registry).gaps("tiny");
    ChatbotMetrics::register(registry)
        .llm("tiny")
        .with_gaps(gaps)
}

/// A call of which each piece comes so many milliseconds after the one before.
fn paced(recorder: &Recorder, metrics: &LlmMetrics, pauses: &[u64]) -> ChatCall {
    let mut call = ChatCall::start_in(recorder.telemetry(), REQUEST, Some(metrics.clone()));
    for pause in pauses {
        recorder.clock().advance(Duration::from_millis(*pause));
        call.text("word", |_, _| {});
    }
    call
}

const fn millis(millis: u64) -> Option<Duration> {
    Some(Duration::from_millis(millis))
}

#[test]
fn the_longest_gap_is_between_two_pieces_and_not_before_the_first() {
    let recorder = Recorder::new("helpdesk");
    let metrics = metrics(&recorder);
    for (pauses, longest) in [
        (&[][..], None),
        (&[900], None),
        (&[900, 20], millis(20)),
        (&[900, 20, 300, 20, 299, 300], millis(300)),
        (&[5, 0, 0], millis(0)),
    ] {
        let call = paced(&recorder, &metrics, pauses);
        assert_eq!(call.longest_gap(), longest, "{pauses:?}");
        assert_eq!(call.summary().pieces, pauses.len() as u64);
        let first = pauses.first().copied().and_then(millis);
        assert_eq!(call.time_to_first_token(), first);
    }
}

#[test]
fn every_gap_is_observed_where_the_service_has_a_metric_for_it() {
    let recorder = Recorder::new("helpdesk");
    let metrics = metrics(&recorder);
    let mut call = paced(&recorder, &metrics, &[900, 20, 300, 20]);
    call.usage(llasta_telemetry::llm::Usage {
        completion: Some(4),
        ..Default::default()
    });
    call.complete(|_, _| {});
    let gaps = metrics.gaps.as_ref().unwrap();
    assert_eq!(gaps.count(), 3);
    assert!((gaps.sum() - 0.340).abs() < 1e-9, "{}", gaps.sum());
    // The contract's metrics say what they say without it.
    assert!((metrics.time_to_first_token.sum() - 0.9).abs() < 1e-9);
    assert!((metrics.time_per_output_token.sum() - 0.340 / 3.0).abs() < 1e-9);
    // The longest gap leads to its trace.
    let span = recorder.span("vllm.generate").unwrap();
    let page = recorder.page_text(llasta_telemetry::metrics::Format::OpenMetrics);
    let exemplars = page.lines().filter(|line| {
        line.starts_with("helpdesk_llm_gap_seconds_bucket") && line.contains(&span.span_id)
    });
    assert!(exemplars.count() > 0, "{page}");
}

#[tokio::test]
async fn what_became_of_a_call_is_told_once_and_inside_its_span() {
    let cancelled: &[Chunk] = &[text("Yes")];
    let whole: &[Chunk] = &[text("Yes"), text("."), stop(), usage()];
    for (chunks, breaks, outcome) in [
        (whole, false, Outcome::Success),
        (cancelled, true, Outcome::Error),
        (cancelled, false, Outcome::Cancelled),
    ] {
        let recorder = Recorder::new("helpdesk");
        let mut call = ChatCall::start_in(recorder.telemetry(), REQUEST, None);
        let span_id = call.span().span_id();
        let told = Arc::new(Mutex::new(Vec::<ChatSummary>::new()));
        let keep = told.clone();
        call.when_settled(move |summary| {
            assert_eq!(context::ids().span_id, span_id);
            keep.lock().unwrap().push(summary.clone());
        });
        let (send, stream) = by_hand();
        let mut stream = stream.instrument_llm(call);
        for chunk in chunks {
            recorder.clock().advance(Duration::from_millis(10));
            send.send(Ok(chunk.clone())).unwrap();
            stream.next().await.unwrap().unwrap();
        }
        if breaks {
            send.send(Err("gone".to_owned())).unwrap();
            assert!(stream.next().await.unwrap().is_err());
        }
        drop(stream);
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 1, "{outcome:?}");
        assert_eq!(told[0].outcome, outcome);
        assert_eq!(told[0].time_to_first_token, millis(10));
        assert_eq!(Some(told[0].duration), millis(10 * chunks.len() as u64));
        let is_whole = outcome == Outcome::Success;
        assert_eq!(told[0].longest_gap, millis(10).filter(|_| is_whole));
        assert_eq!(told[0].finish_reason.as_deref(), is_whole.then_some("stop"));
        assert_eq!(told[0].usage.completion, is_whole.then_some(5));
    }
}
