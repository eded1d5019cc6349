//! Requests that are sent again, by `reqwest-retry`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use llasta_telemetry::client::{TelemetryMiddleware, UrlTemplate};
use llasta_telemetry::schema::rag::RetrieveContext;
use llasta_telemetry::span::Sampler;
use llasta_telemetry::{Guard, Telemetry};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;

use super::super::support::{Collector, PATIENCE, Span, black_hole, serve};
use super::Caller;
use super::propagation::echo;

fn retry() -> RetryTransientMiddleware<ExponentialBackoff> {
    let short = Duration::from_millis(1);
    let policy = ExponentialBackoff::builder()
        .retry_bounds(short, short)
        .build_with_max_retries(2);
    RetryTransientMiddleware::new_with_policy(policy)
}

/// Each attempt is seen: the telemetry stands behind the retries.
fn client(telemetry: &Telemetry) -> ClientWithMiddleware {
    ClientBuilder::new(reqwest::Client::new())
        .with(retry())
        .with(TelemetryMiddleware::recorded_by(telemetry))
        .build()
}

/// Answers 503 so many times, and then says which trace context came in.
async fn busy(times: usize) -> SocketAddr {
    let attempts = Arc::new(AtomicUsize::new(0));
    let app = get(move |headers: HeaderMap| async move {
        if attempts.fetch_add(1, SeqCst) < times {
            return (StatusCode::SERVICE_UNAVAILABLE, "busy").into_response();
        }
        echo(headers).await.into_response()
    });
    serve(Router::new().route("/", app)).await
}

fn resends(spans: &[Span]) -> Vec<Option<i64>> {
    let count = |span: &Span| span.get("http.request.resend_count").as_i64();
    spans.iter().map(count).collect()
}

#[tokio::test]
async fn each_attempt_has_a_span_and_says_how_often_it_was_sent_before() {
    // With extensions, and without any.
    for template in [Some("/"), None] {
        let mut caller = Caller::new();
        let address = busy(2).await;
        let mut request = client(&caller.telemetry).get(format!("http://{address}/"));
        if let Some(template) = template {
            request = request.with_extension(UrlTemplate(template));
        }
        let outer = RetrieveContext::start_in(&caller.telemetry, 5, 0.5);
        let answer = outer.run(request.send()).await.unwrap();
        assert_eq!(answer.status(), 200);
        let sent = answer.text().await.unwrap();
        let spans = caller.collector.take(3).await;
        assert_eq!(resends(&spans), [None, Some(1), Some(2)]);
        let statuses: Vec<_> = spans.iter().map(Span::status).collect();
        assert_eq!(statuses, [2, 2, 0]);
        for (span, code) in spans.iter().zip([503, 503, 200]) {
            assert_eq!(span.parent(), outer.span_id().to_string());
            assert_eq!(span.get("http.response.status_code"), code);
        }
        assert!(sent.contains(&spans[2].span_id()), "{sent}");
    }
}

#[tokio::test]
async fn when_all_attempts_are_used_up_the_last_answer_passes_through() {
    let mut caller = Caller::new();
    let address = busy(9).await;
    let request = client(&caller.telemetry).get(format!("http://{address}/"));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.text().await.unwrap(), "busy");
    let spans = caller.collector.take(3).await;
    assert_eq!(resends(&spans), [None, Some(1), Some(2)]);
    assert!(spans.iter().all(|span| span.get("error.type") == "503"));
}

#[tokio::test]
async fn an_attempt_that_finds_nobody_has_a_span_too() {
    let mut caller = Caller::new();
    let (listener, address) = black_hole();
    drop(listener);
    let error = client(&caller.telemetry).get(address).send().await;
    assert!(error.unwrap_err().to_string().contains("2 retries"));
    let spans = caller.collector.take(3).await;
    assert_eq!(resends(&spans), [None, Some(1), Some(2)]);
    for span in &spans {
        assert_eq!(span.get("error.type"), "connect_error");
        assert_eq!(span.status(), 2);
    }
}

#[tokio::test]
async fn in_front_of_the_retries_one_span_stands_for_all_attempts_and_says_what_reqwest_said() {
    let mut caller = Caller::new();
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(TelemetryMiddleware::recorded_by(&caller.telemetry))
        .with(retry())
        .build();
    let (listener, address) = black_hole();
    drop(listener);
    assert!(client.get(address).send().await.is_err());
    let span = caller.span().await;
    assert_eq!(span.get("error.type"), "connect_error");
    let address = busy(2).await;
    let answer = client.get(format!("http://{address}/")).send().await;
    answer.unwrap().bytes().await.unwrap();
    assert_eq!(caller.span().await.status(), 0);
    assert!(caller.ended().await.is_empty());
}

#[tokio::test]
async fn attempts_of_an_unsampled_trace_carry_its_id_and_leave_no_span() {
    let collector = Collector::start();
    let telemetry: Guard = Telemetry::builder("caller")
        .otlp_endpoint(collector.endpoint())
        .sampler(Sampler::AlwaysOff)
        .build()
        .unwrap();
    let address = busy(2).await;
    let outer = RetrieveContext::start_in(&telemetry, 5, 0.5);
    let request = client(&telemetry).get(format!("http://{address}/"));
    let answer = outer.run(request.send()).await.unwrap();
    let sent = answer.text().await.unwrap();
    assert!(sent.contains(&outer.trace_id().to_string()), "{sent}");
    drop(outer);
    assert_eq!(telemetry.flush(PATIENCE).await.exported, 0);
}
