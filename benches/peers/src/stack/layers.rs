//! One crate each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::Router;
use axum_otel_metrics::HttpMetricsLayerBuilder;
use axum_prometheus::metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use axum_prometheus::utils::SECONDS_DURATION_BUCKETS;
use axum_prometheus::{
    AXUM_HTTP_REQUESTS_DURATION_SECONDS, AXUM_HTTP_REQUESTS_PENDING, PrometheusMetricLayerBuilder,
};
use axum_tracing_opentelemetry::middleware::OtelAxumLayer;
use opentelemetry::trace::TracerProvider;
use tower_http::trace::TraceLayer;
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::{Reported, Stack};
use crate::sink::{MetricSeen, MetricsSeen, SpanSeen, SpansSeen, v032, v033};

/// `TraceLayer::new_for_http`, with a subscriber that only counts.
pub(super) struct TowerHttp(Arc<AtomicU64>);

impl TowerHttp {
    pub(super) fn install() -> Self {
        let spans = Arc::new(AtomicU64::new(0));
        tracing_subscriber::registry()
            .with(CountSpans(spans.clone()))
            .init();
        Self(spans)
    }
}

/// Counts spans when they close.
struct CountSpans(Arc<AtomicU64>);

impl<S: tracing::Subscriber> Layer<S> for CountSpans {
    fn on_new_span(&self, _: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Stack for TowerHttp {
    fn around(&self, router: Router) -> Router {
        router.layer(TraceLayer::new_for_http())
    }

    fn flush(&self) {}

    fn reported(&self) -> Reported {
        Reported {
            spans: Some(SpansSeen {
                count: self.0.load(Relaxed),
                last: None::<SpanSeen>,
            }),
            ..Reported::default()
        }
    }
}

/// `TraceLayer::new_for_http` with tracing-opentelemetry behind it. It knows nothing of callers.
pub(super) struct TowerHttpExported(v033::Traces);

impl TowerHttpExported {
    pub(super) fn install(sampled: bool) -> Self {
        let traces = v033::Traces::install(sampled);
        tracing_subscriber::registry()
            .with(EnvFilter::new("info,tower_http=debug"))
            .with(tracing_opentelemetry::layer().with_tracer(traces.provider.tracer("bench")))
            .init();
        Self(traces)
    }
}

impl Stack for TowerHttpExported {
    fn around(&self, router: Router) -> Router {
        router.layer(TraceLayer::new_for_http())
    }

    fn flush(&self) {
        self.0.flush();
    }

    fn reported(&self) -> Reported {
        Reported {
            spans: Some(self.0.seen()),
            ..Reported::default()
        }
    }
}

/// `OtelAxumLayer` with tracing-opentelemetry behind it.
pub(super) struct AxumTracing(v033::Traces);

impl AxumTracing {
    /// `tuned`: without the attributes for location, thread and idle time.
    pub(super) fn install(sampled: bool, tuned: bool) -> Self {
        let traces = v033::Traces::install(sampled);
        tracing_subscriber::registry()
            .with(filter())
            .with(
                tracing_opentelemetry::layer()
                    .with_location(!tuned)
                    .with_threads(!tuned)
                    .with_tracked_inactivity(!tuned)
                    .with_tracer(traces.provider.tracer("bench")),
            )
            .init();
        Self(traces)
    }
}

/// What its documentation asks for, beside what services log.
pub(super) fn filter() -> EnvFilter {
    EnvFilter::new("info,otel::tracing=trace")
}

impl Stack for AxumTracing {
    fn around(&self, router: Router) -> Router {
        router.layer(OtelAxumLayer::default())
    }

    fn flush(&self) {
        self.0.flush();
    }

    fn reported(&self) -> Reported {
        Reported {
            spans: Some(self.0.seen()),
            ..Reported::default()
        }
    }
}

/// `http::server::Layer`: traces and four metrics.
pub(super) struct OtelTower {
    traces: v033::Traces,
    metrics: v033::Metrics,
}

impl OtelTower {
    pub(super) fn install(sampled: bool) -> Self {
        Self {
            traces: v033::Traces::install(sampled),
            metrics: v033::Metrics::install(),
        }
    }
}

const DURATION: &str = "http.server.request.duration";
const ACTIVE: &str = "http.server.active_requests";

impl Stack for OtelTower {
    fn around(&self, router: Router) -> Router {
        router.layer(opentelemetry_instrumentation_tower::http::server::Layer::new())
    }

    fn flush(&self) {
        self.traces.flush();
    }

    fn reported(&self) -> Reported {
        Reported {
            spans: Some(self.traces.seen()),
            metrics: Some(self.metrics.seen()),
            duration: DURATION,
            in_flight: ACTIVE,
            ..Reported::default()
        }
    }
}

/// `PrometheusMetricLayer` as `pair` makes it, but for the task that does the upkeep: that is done
/// between batches.
pub(super) struct AxumPrometheus(PrometheusHandle);

impl AxumPrometheus {
    pub(super) fn install() -> Self {
        let duration = Matcher::Full(AXUM_HTTP_REQUESTS_DURATION_SECONDS.to_owned());
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(duration, SECONDS_DURATION_BUCKETS)
            .expect("there are buckets")
            .build_recorder();
        let handle = recorder.handle();
        axum_prometheus::metrics::set_global_recorder(recorder).expect("the first recorder");
        Self(handle)
    }

    pub(super) fn seen(&self) -> MetricsSeen {
        read_page(&self.0.render())
    }
}

impl Stack for AxumPrometheus {
    fn around(&self, router: Router) -> Router {
        let (layer, _) = PrometheusMetricLayerBuilder::new()
            .with_metrics_from_fn(|| self.0.clone())
            .build_pair();
        router.layer(layer)
    }

    fn flush(&self) {
        self.0.run_upkeep();
    }

    fn reported(&self) -> Reported {
        Reported {
            metrics: Some(self.seen()),
            duration: AXUM_HTTP_REQUESTS_DURATION_SECONDS,
            in_flight: AXUM_HTTP_REQUESTS_PENDING,
            ..Reported::default()
        }
    }
}

/// Adds the series of each metric of a page in the Prometheus format together.
pub(crate) fn read_page(page: &str) -> MetricsSeen {
    let mut seen = MetricsSeen::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (series, exemplar) = match line.split_once(" # ") {
            Some((series, _)) => (series, 1),
            None => (line, 0),
        };
        let Some((name, value)) = series.rsplit_once(' ') else {
            continue;
        };
        let name = name.split('{').next().unwrap_or(name);
        let value: f64 = value.parse().unwrap_or(f64::NAN);
        let metric = name
            .strip_suffix("_bucket")
            .or_else(|| name.strip_suffix("_sum"))
            .or_else(|| name.strip_suffix("_count"))
            .unwrap_or(name);
        let one: &mut MetricSeen = seen.entry(metric.to_owned()).or_default();
        one.exemplars += exemplar;
        if name.ends_with("_count") {
            one.count += value as u64;
        } else if !name.ends_with("_bucket") {
            one.sum += value;
        }
    }
    seen
}

/// `HttpMetricsLayer`: four metrics, on OpenTelemetry 0.32.
pub(super) struct AxumOtelMetrics(v032::Metrics);

impl AxumOtelMetrics {
    pub(super) fn install() -> Self {
        Self(v032::Metrics::install())
    }
}

impl Stack for AxumOtelMetrics {
    fn around(&self, router: Router) -> Router {
        let provider = self.0.provider.clone();
        router.layer(
            HttpMetricsLayerBuilder::new()
                .with_provider(provider)
                .build(),
        )
    }

    fn flush(&self) {}

    fn reported(&self) -> Reported {
        Reported {
            metrics: Some(self.0.seen()),
            duration: DURATION,
            in_flight: ACTIVE,
            ..Reported::default()
        }
    }
}
