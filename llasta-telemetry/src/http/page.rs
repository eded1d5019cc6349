//! The `/metrics` route.

use std::io::Write;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::metrics::Format;
use crate::telemetry::Telemetry;

impl Telemetry {
    /// A router with `GET /metrics`: OpenMetrics with exemplars for scrapers that ask for it, the
    /// plain text format for all others, compressed with gzip where that is accepted. Merge it
    /// after the telemetry layer, so that scrapes are not counted as requests.
    ///
    /// Prometheus asks for both by itself, and keeps the exemplars when it is started with
    /// `--enable-feature=exemplar-storage`.
    pub fn metrics_route<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let registry = self.registry().clone();
        let page = move |headers: HeaderMap| async move {
            let format = Format::negotiate(listed(&headers, header::ACCEPT).as_deref());
            let page = registry.render(format);
            let encodings = listed(&headers, header::ACCEPT_ENCODING);
            let zipped = encodings
                .is_some_and(|encodings| accepts_gzip(&encodings))
                .then(|| gzip(page.as_bytes()))
                .flatten();
            answer(format, page, zipped)
        };
        Router::new().route("/metrics", get(page))
    }
}

fn answer(format: Format, page: String, zipped: Option<Vec<u8>>) -> Response<Body> {
    let is_zipped = zipped.is_some();
    let body = zipped.map_or_else(|| Body::from(page), Body::from);
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static(format.content_type());
    headers.insert(header::CONTENT_TYPE, content_type);
    // Which answer a cache may give depends on both.
    let vary = HeaderValue::from_static("accept, accept-encoding");
    headers.insert(header::VARY, vary);
    if is_zipped {
        let gzip = HeaderValue::from_static("gzip");
        headers.insert(header::CONTENT_ENCODING, gzip);
    }
    response
}

/// A header that may be sent in several lines, as one list.
fn listed(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let lines: Vec<&str> = headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// Whether gzip is accepted and no less welcome than an answer that is not compressed.
fn accepts_gzip(encodings: &str) -> bool {
    let (mut gzip, mut any, mut identity) = (None, None, None);
    for coding in encodings.split(',') {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts
            .filter_map(|part| part.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
            .map_or(1.0, |(_, weight)| weight.trim().parse().unwrap_or(0.0));
        let known = if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            &mut gzip
        } else if name.eq_ignore_ascii_case("identity") {
            &mut identity
        } else if name == "*" {
            &mut any
        } else {
            continue;
        };
        *known = Some(weight);
    }
    // The star stands for what is not listed. Not to compress is the least of what may be wished
    // where nobody says how much.
    let gzip: f64 = gzip.or(any).unwrap_or(0.0);
    gzip > 0.0 && gzip >= identity.unwrap_or(0.0)
}

/// The page compressed: a fast level already makes it ten times smaller.
fn gzip(page: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(page.len() / 8), Compression::fast());
    encoder.write_all(page).ok()?;
    encoder.finish().ok()
}
