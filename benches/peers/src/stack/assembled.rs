//! Traces, metrics and an access log out of three crates, in the best arrangement known: the JSON
//! layer sees events only, and spans have no attributes for location, thread and idle time.

use std::io::{Result, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum_prometheus::{AXUM_HTTP_REQUESTS_DURATION_SECONDS, AXUM_HTTP_REQUESTS_PENDING};
use axum_tracing_opentelemetry::middleware::OtelAxumLayer;
use opentelemetry::trace::TracerProvider;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::layers::{AxumPrometheus, filter};
use super::{Reported, Stack};
use crate::sink::v033;

pub(super) struct Assembled {
    traces: v033::Traces,
    metrics: AxumPrometheus,
    lines: Arc<AtomicU64>,
}

impl Assembled {
    pub(super) fn install(sampled: bool) -> Self {
        let traces = v033::Traces::install(sampled);
        let lines = Arc::new(AtomicU64::new(0));
        let counted = Lines(lines.clone());
        tracing_subscriber::registry()
            .with(filter())
            .with(
                tracing_opentelemetry::layer()
                    .with_location(false)
                    .with_threads(false)
                    .with_tracked_inactivity(false)
                    .with_tracer(traces.provider.tracer("bench")),
            )
            .with(
                tracing_subscriber::fmt::layer()
                    .json()
                    .with_current_span(false)
                    .with_span_list(false)
                    .with_writer(move || counted.clone())
                    .with_filter(filter_fn(|metadata| metadata.is_event())),
            )
            .init();
        Self {
            traces,
            metrics: AxumPrometheus::install(),
            lines,
        }
    }
}

/// Takes lines and counts them.
#[derive(Clone)]
struct Lines(Arc<AtomicU64>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        self.0.fetch_add(lines as u64, Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

async fn access_line(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    tracing::info!(
        %method,
        path,
        route = route.as_ref().map_or("", MatchedPath::as_str),
        status = response.status().as_u16(),
        seconds = started.elapsed().as_secs_f64(),
        "request"
    );
    response
}

impl Stack for Assembled {
    fn around(&self, router: Router) -> Router {
        let router = router
            .layer(from_fn(access_line))
            .layer(OtelAxumLayer::default());
        self.metrics.around(router)
    }

    fn flush(&self) {
        self.traces.flush();
        self.metrics.flush();
    }

    fn reported(&self) -> Reported {
        Reported {
            spans: Some(self.traces.seen()),
            metrics: Some(self.metrics.seen()),
            duration: AXUM_HTTP_REQUESTS_DURATION_SECONDS,
            in_flight: AXUM_HTTP_REQUESTS_PENDING,
            lines: Some(self.lines.load(Relaxed)),
        }
    }
}
