//! What kinds of answers and requests there are, beside the ways they end.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper_util::rt::TokioIo;
use llasta_telemetry::http::{Route, TelemetryLayer};
use llasta_telemetry::schema::chatbot::ChatbotMetrics;
use llasta_telemetry::schema::labels::{ChatEndpoint, Outcome};
use llasta_telemetry::schema::rag::BuildContext;
use llasta_telemetry::{Sampler, http::ServiceMetrics};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::support::{BoxError, Protocol, Shop, Spans, body_text, soon};

const CALLER: &str = "0af7651916cd43dd8448eb211c80319c";

fn parent(flags: &str) -> String {
    format!("00-{CALLER}-b7ad6b7169203331-{flags}")
}

fn goods<F, Fut>(answer: F) -> Router
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response> + Send + 'static,
{
    Router::new().route("/it", any(answer))
}

#[tokio::test]
async fn an_answer_without_a_body_is_complete_at_its_head() {
    for protocol in Protocol::ALL {
        for (method, status) in [
            ("HEAD", StatusCode::OK),
            ("GET", StatusCode::NO_CONTENT),
            ("GET", StatusCode::NOT_MODIFIED),
            ("GET", StatusCode::OK),
            ("POST", StatusCode::OK),
        ] {
            let mut shop = Shop::open();
            let empty = method != "HEAD";
            let app = goods(move || async move {
                let body = if empty {
                    Body::empty()
                } else {
                    Body::from("not sent")
                };
                (status, body).into_response()
            });
            let mut client = shop.client(protocol, app).await;
            let request = Request::builder().method(method).uri("/it");
            let response = client.send(request).await.unwrap();
            let settled = shop.settled(Some("/it"), Outcome::Success).await;
            assert_eq!(settled.status(), Some(status.as_u16().into()));
            assert_eq!(settled.span.name(), format!("{method} /it"));
            assert_eq!(body_text(response.into_body()).await.unwrap(), "");
            // The first byte is the head's.
            let metrics = shop.metrics(Some("/it"));
            assert_eq!(metrics.first_byte.unwrap().count(), 1);
            shop.close().await;
        }
    }
}

#[tokio::test]
async fn a_stream_under_a_content_length_is_complete_when_so_many_bytes_are_out() {
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        // The stream would go on for ever, but the server takes no more than it promised.
        let app = goods(|| async {
            let chunks = futures_util::stream::iter(["12345", "67890"])
                .map(Ok::<_, Infallible>)
                .chain(futures_util::stream::pending());
            let body = Body::from_stream(chunks);
            ([("content-length", "10")], body).into_response()
        });
        let mut client = shop.client(protocol, app).await;
        let mut body = client.get("/it").await.unwrap().into_body();
        let mut read = 0;
        while read < 10 {
            let frame = soon("a frame", body.frame()).await.unwrap().unwrap();
            read += frame.into_data().unwrap().len();
        }
        shop.settled(Some("/it"), Outcome::Success).await;
        shop.close().await;
    }
}

#[tokio::test]
async fn trailers_are_the_end() {
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        let app = goods(|| async {
            let mut trailers = HeaderMap::new();
            trailers.insert(HeaderName::from_static("grpc-status"), 0.into());
            let frames = [
                Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"message"))),
                Ok(Frame::trailers(trailers)),
            ];
            Response::new(Body::new(StreamBody::new(futures_util::stream::iter(
                frames,
            ))))
        });
        let mut client = shop.client(protocol, app).await;
        let body = client.get("/it").await.unwrap().into_body();
        assert_eq!(body_text(body).await.unwrap(), "message");
        let settled = shop.settled(Some("/it"), Outcome::Success).await;
        assert_eq!(settled.error(), None);
        shop.close().await;
    }
}

#[tokio::test]
async fn a_request_that_matches_no_route_is_unmatched() {
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        let mut client = shop
            .client(protocol, goods(|| async { "".into_response() }))
            .await;
        let body = client.get("/wp-admin/1234").await.unwrap().into_body();
        body_text(body).await.unwrap();
        let settled = shop.settled(None, Outcome::Success).await;
        assert_eq!(settled.span.name(), "GET");
        assert_eq!(settled.status(), Some(404));
        assert_eq!(settled.span.get("url.path"), "/wp-admin/1234");
        let page = shop
            .telemetry
            .registry()
            .render(llasta_telemetry::metrics::Format::Text);
        assert!(page.contains("shop_requests_total{endpoint=\"unmatched\",status=\"success\"} 1"));
        assert!(!page.contains("wp-admin"));
        shop.close().await;
    }
}

#[tokio::test]
async fn a_method_that_nobody_knows_is_other() {
    let mut shop = Shop::open();
    let app = goods(|| async { "".into_response() });
    let mut client = shop.client(Protocol::Http1, app).await;
    client
        .send(Request::builder().method("BREW").uri("/it"))
        .await
        .unwrap();
    let settled = shop.settled(Some("/it"), Outcome::Success).await;
    assert_eq!(settled.span.name(), "HTTP /it");
    assert_eq!(settled.span.get("http.request.method"), "_OTHER");
    assert_eq!(settled.span.get("http.request.method_original"), "BREW");
    assert_eq!(settled.line["method"], "_OTHER");
    shop.close().await;
}

#[tokio::test]
async fn an_excluded_route_makes_no_span_and_is_counted() {
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        let app = Router::new().route("/health", get(|| async { "ok" }));
        let mut client = shop.client(protocol, app).await;
        let request = Request::get("/health").header("traceparent", parent("01"));
        body_text(client.send(request).await.unwrap().into_body())
            .await
            .unwrap();
        let line = shop.lines.next().await;
        assert_eq!(line["route"], "/health");
        assert_eq!(
            line["trace_id"], CALLER,
            "the caller's trace passes through"
        );
        shop.counted(Some("/health"), Outcome::Success, 1);
        shop.close().await;
    }
}

#[tokio::test]
async fn an_excluded_route_makes_no_trace_of_what_its_handler_does() {
    let mut shop = Shop::open();
    let app = Router::new().route(
        "/health",
        get(|| async {
            BuildContext::start(1, 1).finish(1, 1);
            "ok"
        }),
    );
    let mut client = shop.client(Protocol::InProcess, app).await;
    body_text(client.get("/health").await.unwrap().into_body())
        .await
        .unwrap();
    assert!(shop.lines.next().await["trace_id"].is_null());
    shop.close().await;
}

#[tokio::test]
async fn a_sampled_caller_is_the_parent() {
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        let app = goods(|| async { "".into_response() });
        let mut client = shop.client(protocol, app).await;
        let request = Request::get("/it").header("traceparent", parent("01"));
        client.send(request).await.unwrap();
        let settled = shop.settled(Some("/it"), Outcome::Success).await;
        assert_eq!(settled.span.trace_id(), CALLER);
        assert_eq!(settled.span.parent(), "b7ad6b7169203331");
        shop.close().await;
    }
}

#[tokio::test]
async fn an_unsampled_caller_is_not_recorded_but_counted_and_in_the_lines() {
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        let app = goods(|| async {
            BuildContext::start(1, 1).finish(1, 1);
            "".into_response()
        });
        let mut client = shop.client(protocol, app).await;
        let request = Request::get("/it").header("traceparent", parent("00"));
        client.send(request).await.unwrap();
        let line = shop.lines.next().await;
        assert_eq!(line["trace_id"], CALLER);
        assert_ne!(line["span_id"], "b7ad6b7169203331");
        shop.counted(Some("/it"), Outcome::Success, 1);
        shop.close().await;
    }
}

#[tokio::test]
async fn metrics_do_not_depend_on_the_sampler() {
    let mut shop = Shop::sampling(Sampler::AlwaysOff);
    let app = goods(|| async { StatusCode::BAD_GATEWAY.into_response() });
    let mut client = shop.client(Protocol::InProcess, app).await;
    client.get("/it").await.unwrap();
    let line = shop.lines.next().await;
    assert_eq!(line["error.type"], "502");
    assert_eq!(line["trace_id"].as_str().unwrap().len(), 32);
    shop.counted(Some("/it"), Outcome::Error, 1);
    shop.close().await;
}

#[tokio::test]
async fn spans_of_the_handler_and_of_the_stream_are_children() {
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        let app = goods(|| async {
            BuildContext::start(1, 1).finish(1, 1);
            let late = futures_util::stream::once(async {
                tokio::task::yield_now().await;
                llasta_telemetry::schema::response::SendToFrontend::start().finish(4, 4, false);
                Ok::<_, Infallible>("late")
            });
            Response::new(Body::from_stream(late))
        });
        let mut client = shop.client(protocol, app).await;
        body_text(client.get("/it").await.unwrap().into_body())
            .await
            .unwrap();
        let spans = shop.collector.take(3).await;
        let server = spans.named("GET /it");
        for child in ["rag.build_context", "response.send_to_frontend"] {
            assert_eq!(spans.named(child).parent(), server.span_id(), "{child}");
            assert_eq!(spans.named(child).trace_id(), server.trace_id());
        }
    }
}

#[tokio::test]
async fn an_upgraded_connection_is_settled_once() {
    let mut shop = Shop::open();
    let app = Router::new().route(
        "/it",
        any(|mut request: axum::extract::Request| async move {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut socket = TokioIo::new(upgrade.await.unwrap());
                let mut word = [0; 4];
                socket.read_exact(&mut word).await.unwrap();
                socket.write_all(&word).await.unwrap();
            });
            let headers = [("connection", "upgrade"), ("upgrade", "echo")];
            (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
        }),
    );
    let mut client = shop.client(Protocol::Http1, app).await;
    let request = Request::get("/it")
        .header("connection", "upgrade")
        .header("upgrade", "echo");
    let response = client.send(request).await.unwrap();
    assert_eq!(response.status(), 101);
    let settled = shop.settled(Some("/it"), Outcome::Success).await;
    assert_eq!(settled.status(), Some(101));

    let upgraded = soon("the upgrade", hyper::upgrade::on(response)).await;
    let mut socket = TokioIo::new(upgraded.unwrap());
    socket.write_all(b"ping").await.unwrap();
    let mut word = [0; 4];
    soon("the echo", socket.read_exact(&mut word))
        .await
        .unwrap();
    assert_eq!(&word, b"ping");
    drop((socket, client));
    shop.counted(Some("/it"), Outcome::Success, 1);
    shop.close().await;
}

fn request(path: &str) -> Request<Empty<Bytes>> {
    let mut request = Request::get(path).body(Empty::new()).unwrap();
    request.extensions_mut().insert(Route("/it"));
    request
}

#[tokio::test]
async fn a_service_that_fails_is_an_error_whatever_its_error_is() {
    let mut shop = Shop::open();
    let service = service_fn(|_| async { Err::<Response<Body>, BoxError>("no table free".into()) });
    let answer = shop
        .telemetry
        .layer()
        .layer(service)
        .oneshot(request("/it"))
        .await;
    assert!(answer.is_err());
    let settled = shop.settled(Some("/it"), Outcome::Error).await;
    assert_eq!(settled.error().as_deref(), Some("service_error"));
    assert_eq!(settled.span.get("error.message"), "no table free");
    shop.close().await;
}

#[tokio::test]
async fn a_body_that_is_asked_again_after_its_end_stays_ended() {
    let mut shop = Shop::open();
    let service = service_fn(|_| async {
        let frames = [Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x")))];
        Ok::<_, Infallible>(Response::new(StreamBody::new(
            futures_util::stream::iter(frames).fuse(),
        )))
    });
    let mut service = shop.telemetry.layer().layer(service);
    let response = service
        .ready()
        .await
        .unwrap()
        .call(request("/it"))
        .await
        .unwrap();
    let mut body = response.into_body();
    assert!(body.frame().await.is_some());
    for _ in 0..3 {
        assert!(body.frame().await.is_none());
    }
    drop(body);
    shop.settled(Some("/it"), Outcome::Success).await;
    shop.close().await;
}

#[tokio::test]
async fn the_contract_s_metrics_can_be_recorded_into() {
    let shop = Shop::open();
    let metrics = ChatbotMetrics::register(shop.telemetry.registry());
    let layer = TelemetryLayer::new(&shop.telemetry, metrics.clone())
        .without_spans()
        .without_access_lines();
    let app = Router::new()
        .route("/api/chat", any(|| async { "hello" }))
        .layer(layer);
    for path in ["/api/chat", "/nowhere"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        body_text(response.into_body()).await.unwrap();
    }
    for endpoint in [ChatEndpoint::Chat, ChatEndpoint::Unmatched] {
        assert_eq!(metrics.requests(endpoint, Outcome::Success).value(), 1);
        assert_eq!(metrics.requests_in_flight(endpoint).value(), 0);
        assert_eq!(metrics.time_to_first_byte(endpoint).count(), 1);
    }
    shop.close().await;
}

#[tokio::test]
async fn routes_can_be_excluded_by_choice() {
    let mut shop = Shop::open();
    let layer = TelemetryLayer::new(
        &shop.telemetry,
        ServiceMetrics::named(shop.telemetry.registry(), "shop"),
    )
    .without_spans_of(["/quiet"]);
    let app = Router::new()
        .route("/quiet", get(|| async {}))
        .route("/health", get(|| async {}))
        .layer(layer);
    for path in ["/quiet", "/health"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap();
    }
    assert_eq!(shop.lines.next().await["trace_id"], Value::Null);
    shop.settled(Some("/health"), Outcome::Success).await;
    shop.close().await;
}

#[tokio::test]
async fn the_metrics_page_is_served_in_the_format_that_is_asked_for() {
    let shop = Shop::open();
    let app: Router = shop.telemetry.metrics_route();
    for (accept, kind, end) in [
        ("*/*", "text/plain; version=0.0.4", ""),
        (
            "application/openmetrics-text;version=1.0.0",
            "application/openmetrics-text; version=1.0.0",
            "# EOF\n",
        ),
    ] {
        let request = Request::get("/metrics")
            .header("accept", accept)
            .body(Body::empty());
        let response = app.clone().oneshot(request.unwrap()).await.unwrap();
        let content = response.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(content.starts_with(kind), "{content}");
        let page = body_text(response.into_body()).await.unwrap();
        assert!(
            page.contains("llasta_telemetry_export_queue_capacity 2048"),
            "{page}"
        );
        assert!(page.ends_with(end));
    }
    shop.close().await;
}

#[tokio::test]
async fn a_cheap_clone_of_the_app_records_into_the_same_series() {
    let mut shop = Shop::open();
    let count = Arc::new(());
    let app = goods(move || {
        let _count = count.clone();
        async { "".into_response() }
    });
    let app = app.layer(shop.telemetry.layer());
    for app in [app.clone(), app] {
        app.oneshot(Request::get("/it").body(Body::empty()).unwrap())
            .await
            .unwrap();
        shop.lines.next().await;
    }
    shop.counted(Some("/it"), Outcome::Success, 2);
    assert_eq!(shop.collector.take(2).await.len(), 2);
}

#[tokio::test]
async fn what_counts_as_a_failure_can_be_chosen() {
    let seen = llasta_telemetry::testing::Recorder::new("shop");
    let metrics = ServiceMetrics::named(seen.telemetry().registry(), "shop");
    let layer = TelemetryLayer::new(seen.telemetry(), metrics)
        .failed_when(|status| status == StatusCode::NOT_FOUND || status.is_server_error());
    let app = goods(|| async { StatusCode::NOT_FOUND.into_response() }).layer(layer);
    let answer = app.oneshot(Request::get("/it").body(Body::empty()).unwrap());
    answer.await.unwrap().into_body().collect().await.unwrap();
    let failed = "shop_requests_total{endpoint=\"/it\",status=\"error\"}";
    assert_eq!(seen.counter(failed), Some(1));
    let span = &seen.spans()[0];
    assert_eq!(span.status, "error");
    assert_eq!(span.text("error.type"), Some("404"));
}

#[tokio::test]
async fn a_subscriber_of_another_thread_does_not_switch_access_lines_off() {
    let elsewhere = std::thread::spawn(|| {
        tracing::subscriber::with_default(tracing_subscriber::registry(), || {});
    });
    elsewhere.join().unwrap();
    let mut shop = Shop::open();
    let mut client = shop
        .client(Protocol::InProcess, goods(|| async { "".into_response() }))
        .await;
    client.get("/it").await.unwrap();
    shop.settled(Some("/it"), Outcome::Success).await;
    shop.close().await;
}
