//! What is compared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::{Json, Router, routing::post};
use llasta_telemetry::line::{LineSink, Style};
use llasta_telemetry::pipeline::QueueLimits;
use llasta_telemetry::{Guard, Sampler, Telemetry};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tower::{Layer, Service};

/// A router, with or without telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// No layer at all.
    Bare,
    /// A layer that does nothing: axum's own price for one.
    Noop,
    /// Traces, request metrics and JSON access lines.
    Full,
    /// Traces and request metrics.
    WithoutLines,
    /// The same, for requests that carry a sampled `traceparent`.
    Continued,
    /// Traces and request metrics, and the sampler keeps nothing.
    Unsampled,
}

impl Variant {
    pub(crate) const ALL: [Self; 6] = [
        Self::Bare,
        Self::Noop,
        Self::Full,
        Self::WithoutLines,
        Self::Continued,
        Self::Unsampled,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare router",
            Self::Noop => "empty layer",
            Self::Full => "traces + metrics + access line",
            Self::WithoutLines => "traces + metrics",
            Self::Continued => "traces + metrics, incoming traceparent",
            Self::Unsampled => "unsampled",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variant| variant.name() == name)
    }

    pub(crate) fn has_traceparent(self) -> bool {
        self == Self::Continued
    }
}

/// A router to send requests to, and what its telemetry was seen to do.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) router: Router,
    pub(crate) telemetry: Option<Guard>,
    pub(crate) spans: Arc<AtomicU64>,
    pub(crate) lines: Arc<AtomicU64>,
}

impl Subject {
    pub(crate) fn new(variant: Variant) -> Self {
        let router = Router::new().route("/api/chat", post(chat));
        let (spans, lines) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (router, telemetry) = match variant {
            Variant::Bare => (router, None),
            Variant::Noop => (router.layer(NoopLayer), None),
            _ => {
                let counted = lines.clone();
                let sampler = if variant == Variant::Unsampled {
                    Sampler::AlwaysOff
                } else {
                    Sampler::default()
                };
                let telemetry = Telemetry::builder("bench")
                    .sampler(sampler)
                    .span_exporter(Counting(spans.clone()))
                    // Nothing is exported while requests are counted: the queue takes them all.
                    .queue(QueueLimits {
                        capacity: 1 << 16,
                        batch: 1 << 16,
                        ..QueueLimits::default()
                    })
                    .log_lines(LineSink::new(Style::Json, move |_| {
                        counted.fetch_add(1, Relaxed);
                    }))
                    .build()
                    .expect("the settings are constants");
                let layer = telemetry.layer();
                let layer = if variant == Variant::Full {
                    layer
                } else {
                    layer.without_access_lines()
                };
                (router.layer(layer), Some(telemetry))
            }
        };
        // As `axum::serve` does: without it axum applies every layer again for each request.
        Self {
            router: router.with_state(()),
            telemetry,
            spans,
            lines,
        }
    }
}

async fn chat() -> Json<&'static str> {
    const ANSWER: &str = "An answer of two hundred bytes, as a chat service may give: the retrieval found five passages, three \
         of them were above the threshold, and the model wrote one hundred tokens from them.";
    Json(ANSWER)
}

/// Takes spans and counts them.
#[derive(Debug)]
struct Counting(Arc<AtomicU64>);

impl SpanExporter for Counting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.fetch_add(batch.len() as u64, Relaxed);
        Ok(())
    }
}

#[derive(Debug, Clone)]
struct NoopLayer;

impl<S> Layer<S> for NoopLayer {
    type Service = Noop<S>;

    fn layer(&self, inner: S) -> Noop<S> {
        Noop(inner)
    }
}

#[derive(Debug, Clone)]
struct Noop<S>(S);

impl<S: Service<Request>> Service<Request> for Noop<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(task)
    }

    fn call(&mut self, request: Request) -> S::Future {
        self.0.call(request)
    }
}
