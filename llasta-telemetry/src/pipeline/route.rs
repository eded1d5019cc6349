//! The `/metrics` route.

use axum::Router;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::metrics::Format;
use crate::telemetry::Telemetry;

impl Telemetry {
    /// A router with `GET /metrics`: OpenMetrics with exemplars for scrapers that ask for it, the
    /// plain text format for all others. Merge it after the telemetry layer, so that scrapes are
    /// not counted as requests.
    pub fn metrics_route<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let registry = self.registry().clone();
        let page = move |headers: HeaderMap| async move {
            let accept = headers
                .get(header::ACCEPT)
                .and_then(|accept| accept.to_str().ok());
            let format = Format::negotiate(accept);
            (
                [(header::CONTENT_TYPE, format.content_type())],
                registry.render(format),
            )
                .into_response()
        };
        Router::new().route("/metrics", get(page))
    }
}
