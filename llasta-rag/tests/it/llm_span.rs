//! The stand-in for vLLM has vLLM's own span, `llm_request`, in the trace of whoever asks.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use futures_util::StreamExt;
use llasta_rag::schema;
use llasta_rag::service::llm::{LlmConfig, router};
use llasta_telemetry::Sampler;
use llasta_telemetry::testing::{CapturedSpan, Recorder};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{call, post, until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// Longer than any test: a token that never comes.
const NEVER: Duration = Duration::from_secs(3600);

fn llm(token_delay: Duration) -> (Router, Recorder) {
    // As services are by default: whoever asks decides.
    let sampler = Sampler::ParentOrAlwaysOn;
    let seen = Recorder::builder("vllm").sampler(sampler).build();
    let config = LlmConfig {
        model: "stand-in".to_owned(),
        token_delay,
        concurrency: 1,
        max_body_bytes: 1000,
    };
    (router(config, seen.telemetry()), seen)
}

fn asked(stream: bool, flags: &str) -> Request<Body> {
    let mut request = post(
        "/v1/chat/completions",
        &json!({
            "model": "any",
            "stream": stream,
            "temperature": 0.5,
            "max_tokens": 3,
            "messages": [{"role": "user", "content": "Hello?"}],
        }),
    );
    let parent = format!("00-{TRACE}-{CALLER}-{flags}").parse().unwrap();
    request.headers_mut().insert("traceparent", parent);
    request
}

fn only(seen: &Recorder) -> CapturedSpan {
    let mut spans = seen.spans();
    assert_eq!(spans.len(), 1, "{spans:#?}");
    spans.remove(0)
}

/// Attributes that every request has, answered or not.
fn of_every_request(span: &CapturedSpan, written: i64) {
    assert_eq!((span.name.as_str(), span.kind), ("llm_request", "SERVER"));
    assert_eq!(span.service, "vllm");
    assert_eq!(span.trace_id, TRACE);
    assert_eq!(span.parent_span_id.as_deref(), Some(CALLER));
    assert!(
        span.text("gen_ai.request.id")
            .unwrap()
            .starts_with("chatcmpl-")
    );
    assert_eq!(span.int("gen_ai.usage.prompt_tokens"), Some(2));
    assert_eq!(span.int("gen_ai.usage.completion_tokens"), Some(written));
    assert_eq!(span.double("gen_ai.request.temperature"), Some(0.5));
    assert_eq!(span.int("gen_ai.request.max_tokens"), Some(3));
    assert!(
        span.double("gen_ai.latency.e2e").unwrap()
            >= span.double("gen_ai.latency.time_in_queue").unwrap()
    );
}

#[tokio::test]
async fn each_request_has_the_span_of_vllm_under_the_callers() {
    for stream in [false, true] {
        let (app, seen) = llm(Duration::ZERO);
        let answer = call(&app, asked(stream, "01")).await;
        assert_eq!(answer.status, 200);
        if !stream {
            let id: Value = answer.json()["id"].clone();
            assert_eq!(id, only(&seen).text("gen_ai.request.id").unwrap());
        }
        let span = only(&seen);
        of_every_request(&span, 3);
        let seconds = |what: &str| span.double(&format!("gen_ai.latency.{what}")).unwrap();
        let equal = |left: f64, right: f64| assert!((left - right).abs() < 1e-8, "{left} {right}");
        // The queue, the prompt and the answer follow one another.
        equal(
            seconds("time_to_first_token"),
            seconds("time_in_queue") + seconds("time_in_model_prefill"),
        );
        equal(
            seconds("time_in_model_inference"),
            seconds("time_in_model_prefill") + seconds("time_in_model_decode"),
        );
        assert!(seconds("e2e") >= seconds("time_in_queue") + seconds("time_in_model_inference"));
        seen.assert_conforms(&schema::all());
    }
}

#[tokio::test]
async fn a_request_given_up_before_its_first_token_has_the_span_without_what_never_was() {
    let (app, seen) = llm(NEVER);
    let response = app.clone().oneshot(asked(true, "01")).await.unwrap();
    let mut first = response.into_body().into_data_stream();
    assert!(first.next().await.is_some());
    // The second finds no place.
    let second = tokio::spawn(app.clone().oneshot(asked(true, "01")));
    until(|| seen.metric("vllm_queue_size") == Some(1.0)).await;
    second.abort();
    until(|| seen.spans().len() == 1).await;
    of_every_request(&only(&seen), 0);
    drop(first);
    let spans = seen
        .wait_until(|spans| spans.len() == 2, Duration::from_secs(10))
        .await;
    for span in &spans {
        of_every_request(span, 0);
        for never in [
            "time_to_first_token",
            "time_in_model_prefill",
            "time_in_model_decode",
        ] {
            assert_eq!(
                span.double(&format!("gen_ai.latency.{never}")),
                None,
                "{never}"
            );
        }
    }
}

#[tokio::test]
async fn a_caller_who_is_not_sampled_has_no_span_of_the_llm_either() {
    let (app, seen) = llm(Duration::ZERO);
    assert_eq!(call(&app, asked(false, "00")).await.status, 200);
    assert_eq!(seen.spans(), []);
}

#[tokio::test]
async fn a_refused_request_was_never_the_models() {
    let (app, seen) = llm(Duration::ZERO);
    let refused = call(&app, post("/v1/chat/completions", &json!({"messages": []}))).await;
    assert_eq!(refused.status, 400);
    assert_eq!(seen.spans(), []);
}
