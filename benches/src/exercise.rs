//! Sending the requests.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt;
use llasta_telemetry::metrics::Format;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use crate::variant::{Subject, Variant};

/// Requests before the count: caches are filled, lazy values made.
const WARM_UP: usize = 512;
/// Requests that are counted.
pub(crate) const COUNTED: usize = 1024;

/// Runs a variant; allocations per request of the counted ones, on the requests' own thread.
pub(crate) fn run(variant: Variant) -> f64 {
    let runtime = Builder::new_current_thread()
        .build()
        .expect("a runtime without drivers");
    let subject = Subject::new(variant);
    measured_batch_of(&runtime, &subject.router, requests(variant, WARM_UP), false);
    let batch = requests(variant, COUNTED);
    let allocations = allocation_counter::measure(|| {
        measured_batch_of(&runtime, &subject.router, batch, true);
    });
    verify(variant, &subject);
    allocations.count_total as f64 / COUNTED as f64
}

/// What valgrind counts: it is told to begin and end with the inner function, by its name.
fn measured_batch_of(runtime: &Runtime, router: &Router, batch: Vec<Request<Body>>, counted: bool) {
    if counted {
        counted_batch(runtime, router, batch);
    } else {
        send(runtime, router, batch);
    }
}

#[inline(never)]
fn counted_batch(runtime: &Runtime, router: &Router, batch: Vec<Request<Body>>) {
    send(runtime, router, batch);
}

#[inline(always)]
fn send(runtime: &Runtime, router: &Router, batch: Vec<Request<Body>>) {
    runtime.block_on(async {
        for request in batch {
            let response = router
                .clone()
                .oneshot(request)
                .await
                .expect("axum's routers do not fail");
            let mut body = response.into_body();
            while let Some(frame) = body.frame().await {
                std::hint::black_box(frame.expect("the body is in memory"));
            }
        }
    });
}

/// Six headers and a small body, as a browser sends them.
fn requests(variant: Variant, count: usize) -> Vec<Request<Body>> {
    let build = |number: usize| {
        let mut request = Request::post("/api/chat")
            .header(header::HOST, "chatbot-rag:8080")
            .header(
                header::USER_AGENT,
                "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
            )
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_LENGTH, "83")
            .header(header::AUTHORIZATION, "Bearer 0123456789abcdef");
        if variant.has_traceparent() {
            request = request.header(
                "traceparent",
                format!("00-{:032x}-{:016x}-01", number + 1, number + 1),
            );
        }
        request
            .body(Body::from("{}"))
            .expect("the parts are constants")
    };
    (0..count).map(build).collect()
}

/// A variant cannot win by leaving work out.
fn verify(variant: Variant, subject: &Subject) {
    let Some(telemetry) = &subject.telemetry else {
        return;
    };
    let all = (WARM_UP + COUNTED) as u64;
    let report = telemetry.flush_blocking(Duration::from_secs(30));
    let spans = if variant == Variant::Unsampled {
        0
    } else {
        all
    };
    assert_eq!(
        subject.spans.load(Relaxed),
        spans,
        "{}: spans, {report}",
        variant.name()
    );
    let lines = if variant == Variant::Full { all } else { 0 };
    assert_eq!(
        subject.lines.load(Relaxed),
        lines,
        "{}: lines",
        variant.name()
    );
    let page = telemetry.registry().render(Format::Text);
    let counted =
        format!("bench_requests_total{{endpoint=\"/api/chat\",status=\"success\"}} {all}\n");
    assert!(
        page.contains(&counted),
        "{}: no `{counted}`",
        variant.name()
    );
    let timed = format!("bench_request_duration_seconds_count{{endpoint=\"/api/chat\"}} {all}\n");
    assert!(page.contains(&timed), "{}: no `{timed}`", variant.name());
}
