//! `GET /metrics` as a scraper asks for it.

use std::io::Read;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt;
use llasta_telemetry::metrics::Format;
use llasta_telemetry::schema::rag::RetrieveContext;
use llasta_telemetry::testing::Recorder;
use llasta_telemetry::testing::page::Page;
use tower::ServiceExt;

/// What Prometheus 2.42 sends.
const PROMETHEUS: [(&str, &str); 2] = [
    (
        "accept",
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    ),
    ("accept-encoding", "gzip"),
];

async fn scrape(seen: &Recorder, headers: &[(&str, &str)]) -> Response<Body> {
    let app: Router = seen.telemetry().metrics_route();
    let mut request = Request::get("/metrics");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap()
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
}

async fn bytes(response: Response<Body>) -> Vec<u8> {
    response
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes()
        .to_vec()
}

fn unzipped(bytes: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes)
        .read_to_string(&mut text)
        .unwrap();
    text
}

/// A telemetry whose page has an exemplar.
fn recorded() -> (Recorder, String) {
    let seen = Recorder::new("shop");
    let metrics =
        llasta_telemetry::schema::chatbot::ChatbotMetrics::register(seen.telemetry().registry());
    let span = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    span.in_scope(|| metrics.rag_chunks_sent().observe(3.0));
    let trace = span.trace_id().to_string();
    (seen, trace)
}

#[tokio::test]
async fn prometheus_gets_openmetrics_with_exemplars_in_gzip() {
    let (seen, trace) = recorded();
    let response = scrape(&seen, &PROMETHEUS).await;
    assert_eq!(
        header(&response, "content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert_eq!(header(&response, "content-encoding"), Some("gzip"));
    assert_eq!(header(&response, "vary"), Some("accept, accept-encoding"));
    let zipped = bytes(response).await;
    let page = unzipped(&zipped);
    assert!(zipped.len() * 5 < page.len(), "{} bytes", zipped.len());
    assert_eq!(page, seen.page_text(Format::OpenMetrics));
    let page = Page::parse(&page).unwrap();
    let bucket = page.select("chatbot_rag_chunks_sent_bucket{le=\"3.0\"}")[0];
    let exemplar = bucket.exemplar.as_ref().unwrap();
    assert_eq!(exemplar.labels["trace_id"], trace);
}

#[tokio::test]
async fn whoever_asks_for_nothing_gets_plain_text_as_it_is() {
    let (seen, _) = recorded();
    let response = scrape(&seen, &[]).await;
    assert_eq!(
        header(&response, "content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert_eq!(header(&response, "content-encoding"), None);
    // A cache must not give this answer to those who ask for another.
    assert_eq!(header(&response, "vary"), Some("accept, accept-encoding"));
    assert_eq!(
        String::from_utf8(bytes(response).await).unwrap(),
        seen.page_text(Format::Text)
    );
}

#[tokio::test]
async fn gzip_is_sent_where_it_is_accepted() {
    let seen = Recorder::new("shop");
    for (encodings, zips) in [
        ("gzip", true),
        ("GZIP;q=0.1", true),
        ("x-gzip", true),
        ("br, deflate, gzip", true),
        ("deflate", false),
        ("br;q=1.0, *;q=0.5", true),
        ("*", true),
        ("*;q=0", false),
        ("gzip;q=0", false),
        ("gzip;q=0, *", false),
        ("gzip ; q = 0.000", false),
        ("identity", false),
        ("identity;q=0.5, gzip;q=1.0", true),
        ("identity;q=1.0, gzip;q=0.5", false),
        ("identity;q=0, gzip;q=0.5", true),
        ("gzip;q=nonsense", false),
        ("", false),
    ] {
        let response = scrape(&seen, &[("accept-encoding", encodings)]).await;
        let encoding = header(&response, "content-encoding");
        assert_eq!(encoding, zips.then_some("gzip"), "{encodings:?}");
        let body = bytes(response).await;
        let page = if zips {
            unzipped(&body)
        } else {
            String::from_utf8(body).unwrap()
        };
        assert_eq!(page, seen.page_text(Format::Text), "{encodings:?}");
    }
}

#[tokio::test]
async fn what_is_accepted_may_be_said_in_several_headers() {
    let seen = Recorder::new("shop");
    let response = scrape(
        &seen,
        &[
            ("accept", "text/plain;q=0.5"),
            ("accept", "application/openmetrics-text"),
            ("accept-encoding", "br"),
            ("accept-encoding", "gzip"),
        ],
    )
    .await;
    let kind = header(&response, "content-type").unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    assert_eq!(header(&response, "content-encoding"), Some("gzip"));
}
