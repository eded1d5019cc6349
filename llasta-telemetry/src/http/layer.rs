//! What is configured.

use std::fmt;
use std::sync::Arc;

use http::StatusCode;
use tower_layer::Layer;

use super::metrics::{RequestMetrics, ServiceMetrics};
use super::route::RouteCache;
use super::service::Instrumented;
use crate::telemetry::Telemetry;

/// Instruments every request that passes through it. Put it outside of all other layers.
#[derive(Clone)]
pub struct TelemetryLayer {
    pub(super) settings: Arc<Settings>,
}

pub(super) struct Settings {
    pub(super) telemetry: Telemetry,
    pub(super) metrics: Arc<dyn RequestMetrics>,
    pub(super) spans: bool,
    pub(super) without_spans: Vec<String>,
    pub(super) access_lines: bool,
    pub(super) failed: Arc<dyn Fn(StatusCode) -> bool + Send + Sync>,
}

impl fmt::Debug for TelemetryLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryLayer")
            .field("telemetry", &self.settings.telemetry)
            .finish_non_exhaustive()
    }
}

impl Telemetry {
    /// The tower layer: spans, request metrics and access lines for every request.
    ///
    /// The metrics are named after the service: `shop-api` counts `shop_api_requests_total`. To
    /// choose them, start from [`TelemetryLayer::new`].
    pub fn layer(&self) -> TelemetryLayer {
        TelemetryLayer::new(
            self,
            ServiceMetrics::named(self.registry(), self.service_name()),
        )
    }
}

impl TelemetryLayer {
    /// A layer that records into the given request metrics. Requests of `/health` and `/metrics`
    /// make no trace.
    pub fn new(telemetry: &Telemetry, metrics: impl RequestMetrics) -> Self {
        Self {
            settings: Arc::new(Settings {
                telemetry: telemetry.clone(),
                metrics: Arc::new(metrics),
                spans: true,
                without_spans: vec!["/health".to_owned(), "/metrics".to_owned()],
                access_lines: true,
                failed: Arc::new(|status| status.is_server_error()),
            }),
        }
    }

    /// Requests of these routes make no trace, instead of `/health` and `/metrics`: no span of
    /// their own, and none of what their handlers do.
    #[must_use]
    pub fn without_spans_of<T: Into<String>>(
        mut self,
        routes: impl IntoIterator<Item = T>,
    ) -> Self {
        let routes = routes.into_iter().map(Into::into).collect();
        self.change(|settings| settings.without_spans = routes);
        self
    }

    /// No request makes a span. The caller's trace still passes through: it is in the log lines
    /// and goes on to neighbours.
    #[must_use]
    pub fn without_spans(mut self) -> Self {
        self.change(|settings| settings.spans = false);
        self
    }

    /// Which statuses mean that the service failed, instead of 5xx: they count as `error`, and the
    /// span has status Error.
    #[must_use]
    pub fn failed_when(
        mut self,
        failed: impl Fn(StatusCode) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.change(|settings| settings.failed = Arc::new(failed));
        self
    }

    /// No access lines.
    #[must_use]
    pub fn without_access_lines(mut self) -> Self {
        self.change(|settings| settings.access_lines = false);
        self
    }

    fn change(&mut self, change: impl FnOnce(&mut Settings)) {
        let old = &self.settings;
        let mut settings = Settings {
            telemetry: old.telemetry.clone(),
            metrics: old.metrics.clone(),
            spans: old.spans,
            without_spans: old.without_spans.clone(),
            access_lines: old.access_lines,
            failed: old.failed.clone(),
        };
        change(&mut settings);
        self.settings = Arc::new(settings);
    }
}

impl<S> Layer<S> for TelemetryLayer {
    type Service = Instrumented<S>;

    fn layer(&self, inner: S) -> Instrumented<S> {
        Instrumented {
            inner,
            settings: self.settings.clone(),
            routes: Arc::new(RouteCache::default()),
        }
    }
}
