//! What is configured.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tower_layer::Layer;

use super::access::Access;
use super::hook::{Attributes, OnRequest, OnResponse, RequestHead, ResponseHead};
use super::inner::Inner;
use super::metrics::RequestMetrics;
use super::route::Routes;
use super::service::Instrumented;
use super::service_metrics::ServiceMetrics;
use crate::telemetry::Telemetry;

/// Instruments every request that passes through it. Put it outside of all other layers. The
/// services inside are `Send` and own what they use, as servers ask of them anyway.
#[derive(Clone)]
pub struct TelemetryLayer {
    settings: Settings,
}

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) telemetry: Telemetry,
    pub(super) metrics: Arc<dyn RequestMetrics>,
    pub(super) spans: bool,
    pub(super) without_spans: Vec<String>,
    pub(super) access: Option<Arc<Access>>,
    pub(super) outer_timeout: Option<Duration>,
    pub(super) on_request: Option<Arc<OnRequest>>,
    pub(super) on_response: Option<Arc<OnResponse>>,
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
            settings: Settings {
                telemetry: telemetry.clone(),
                metrics: Arc::new(metrics),
                spans: true,
                without_spans: vec!["/health".to_owned(), "/metrics".to_owned()],
                access: Access::new(telemetry).map(Arc::new),
                outer_timeout: None,
                on_request: None,
                on_response: None,
                failed: Arc::new(|status| status.is_server_error()),
            },
        }
    }

    /// Requests of these routes make no trace, instead of `/health` and `/metrics`: no span of
    /// their own, and none of what their handlers do.
    #[must_use]
    pub fn without_spans_of<T: Into<String>>(
        mut self,
        routes: impl IntoIterator<Item = T>,
    ) -> Self {
        self.settings.without_spans = routes.into_iter().map(Into::into).collect();
        self
    }

    /// No request makes a span. The caller's trace still passes through: it is in the log lines
    /// and goes on to neighbours.
    #[must_use]
    pub fn without_spans(mut self) -> Self {
        self.settings.spans = false;
        self
    }

    /// Which statuses mean that the service failed, instead of 5xx: they count as `error`, and the
    /// span has status Error.
    #[must_use]
    pub fn failed_when(
        mut self,
        failed: impl Fn(StatusCode) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.settings.failed = Arc::new(failed);
        self
    }

    /// No access lines.
    #[must_use]
    pub fn without_access_lines(mut self) -> Self {
        self.settings.access = None;
        self
    }

    /// How long a time-out layer outside of this one lets a request last. Such a layer drops the
    /// request, as a server does when the client leaves; one that is dropped no sooner than this
    /// after its start counts as timed out. Time-out layers inside need nothing: their error is
    /// recognised.
    #[must_use]
    pub fn outer_timeout(mut self, limit: Duration) -> Self {
        self.settings.outer_timeout = Some(limit);
        self
    }

    /// Gives the SERVER span attributes of your own, from the request. Only called for a span that
    /// is kept.
    ///
    /// ```
    /// # use llasta_telemetry::{Telemetry, schema};
    /// schema! {
    ///     /// Tenants of the shop.
    ///     namespace shop;
    ///     keys {
    ///         /// Who asks.
    ///         TENANT: "shop.tenant" => str { example: "acme" },
    ///     }
    /// }
    ///
    /// let layer = Telemetry::disabled().layer().on_request(|request, attributes| {
    ///     if let Some(tenant) = request.headers.get("x-tenant").and_then(|name| name.to_str().ok()) {
    ///         attributes.set(TENANT, tenant);
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn on_request(
        mut self,
        hook: impl Fn(&RequestHead<'_>, &mut Attributes<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.settings.on_request = Some(Arc::new(hook));
        self
    }

    /// Gives the SERVER span attributes of your own, from the head of the answer. Only called for
    /// a span that is kept.
    #[must_use]
    pub fn on_response(
        mut self,
        hook: impl Fn(&ResponseHead<'_>, &mut Attributes<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.settings.on_response = Some(Arc::new(hook));
        self
    }
}

impl<S: Send + 'static> Layer<S> for TelemetryLayer {
    type Service = Instrumented<S>;

    fn layer(&self, inner: S) -> Instrumented<S> {
        Instrumented {
            inner: Inner::new(inner),
            routes: Arc::new(Routes::new(Arc::new(self.settings.clone()))),
        }
    }
}
