//! Every way a request can end, in process and over sockets: settled once, at its end.

mod many;
mod timeouts;
mod times;
mod upgrades;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use futures_util::FutureExt;
use http::StatusCode;
use http_body::Frame;
use http_body_util::BodyExt;
use llasta_telemetry::http::Failure;
use llasta_telemetry::schema::labels::Outcome;
use tokio::sync::{Mutex, Notify};
use tower::ServiceExt;

use super::support::{Protocol, Shop, body_text, soon, stream_of};

/// A router with one route, `/it`, that answers each request as `answer` says.
fn goods<F, Fut>(answer: F) -> Router
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response> + Send + 'static,
{
    Router::new().route("/it", any(answer))
}

/// A router whose only answer has this body.
fn once(body: axum::body::Body) -> Router {
    let body = Arc::new(Mutex::new(Some(body)));
    goods(move || {
        let body = body.clone();
        async move { Response::new(body.lock().await.take().unwrap()) }
    })
}

fn data(text: &'static str) -> Result<Frame<Bytes>, super::support::BoxError> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

/// A moment that a handler notes.
#[derive(Clone, Default)]
struct Note(Arc<std::sync::Mutex<Option<SystemTime>>>);

impl Note {
    fn now(&self) {
        *self.0.lock().unwrap() = Some(SystemTime::now());
    }

    fn taken(&self) -> SystemTime {
        self.0.lock().unwrap().expect("it was noted")
    }
}

#[tokio::test]
async fn a_complete_answer_is_a_success_and_has_the_conventions_attributes() {
    for (protocol, version) in Protocol::ALL.into_iter().zip(["1.1", "1.1", "2"]) {
        let mut shop = Shop::open();
        // A body of known length: the server never asks whether there is more.
        let app = goods(|| async { Response::new("hello".into()) });
        let mut client = shop.client(protocol, app).await;
        let request = http::Request::get("/it?secret=1").header("user-agent", "browser/1");
        let response = client.send(request).await.unwrap();
        assert_eq!(body_text(response.into_body()).await.unwrap(), "hello");

        let settled = shop.settled(Some("/it"), Outcome::Success).await;
        let span = &settled.span;
        assert_eq!(span.name(), "GET /it");
        assert_eq!(settled.status(), Some(200));
        assert_eq!(settled.error(), None);
        assert_eq!(span.status(), 0);
        assert_eq!(span.get("http.request.method"), "GET");
        assert_eq!(span.get("url.path"), "/it");
        assert_eq!(span.get("url.scheme"), "http");
        assert_eq!(span.get("network.protocol.version"), version);
        assert_eq!(span.get("user_agent.original"), "browser/1");
        if protocol != Protocol::InProcess {
            assert_eq!(span.get("server.address"), "127.0.0.1");
            assert!(span.get("server.port").is_i64());
        }
        assert_eq!(settled.line["method"], "GET");
        assert_eq!(settled.line["path"], "/it");
        assert!(settled.line["duration_ms"].is_f64());
        shop.close().await;
    }
}

#[tokio::test]
async fn a_streamed_answer_lasts_until_its_last_byte() {
    const PAUSE: Duration = Duration::from_millis(120);
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        let (send, body) = stream_of();
        let mut client = shop.client(protocol, once(body)).await;
        send.send(data("first")).unwrap();
        let mut body = client.get("/it").await.unwrap().into_body();
        let frame = soon("the first frame", body.frame()).await.unwrap();
        assert_eq!(frame.unwrap().into_data().unwrap(), "first");

        // The head and the first byte are out, and the request goes on.
        let metrics = shop.metrics(Some("/it"));
        assert_eq!(metrics.in_flight.value(), 1);
        assert_eq!(metrics.duration.count(), 0);
        let first_byte = metrics.first_byte.unwrap();
        assert_eq!(first_byte.count(), 1);
        assert_eq!(shop.lines.written(), None);

        // This is the length of the answer and waits for nothing.
        tokio::time::sleep(PAUSE).await;
        send.send(data(" last")).unwrap();
        drop(send);
        assert_eq!(body_text(body).await.unwrap(), " last");
        let settled = shop.settled(Some("/it"), Outcome::Success).await;
        let duration = metrics.duration.sum();
        assert!(duration >= first_byte.sum() + PAUSE.as_secs_f64());
        assert!(settled.span.seconds() >= PAUSE.as_secs_f64());
        assert_eq!(first_byte.count(), 1);
        shop.close().await;
    }
}

#[tokio::test]
async fn a_body_that_breaks_is_an_error() {
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        let (send, body) = stream_of();
        let mut client = shop.client(protocol, once(body)).await;
        send.send(data("half")).unwrap();
        let mut body = client.get("/it").await.unwrap().into_body();
        soon("a frame", body.frame()).await.unwrap().unwrap();
        send.send(Err("the disk is on fire".into())).unwrap();
        assert!(body_text(body).await.is_err());

        let settled = shop.settled(Some("/it"), Outcome::Error).await;
        assert_eq!(settled.error().as_deref(), Some("body_error"));
        assert_eq!(settled.status(), Some(200));
        assert_eq!(settled.line["level"], "ERROR");
        assert_eq!(settled.span.get("error.message"), "the disk is on fire");
        shop.close().await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_the_head_is_cancelled() {
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        let arrived = Arc::new(Notify::new());
        let handler = arrived.clone();
        let app = goods(move || {
            handler.notify_one();
            std::future::pending()
        });
        let mut client = shop.client(protocol, app).await;
        let request = tokio::spawn(async move { client.get("/it").await.map(|_| ()) });
        soon("the handler's start", arrived.notified()).await;
        assert_eq!(shop.metrics(Some("/it")).in_flight.value(), 1);
        request.abort();

        let settled = shop.settled(Some("/it"), Outcome::Cancelled).await;
        assert_eq!(settled.error().as_deref(), Some("client_disconnect"));
        assert_eq!(settled.status(), None);
        assert_eq!(settled.line["level"], "INFO");
        shop.close().await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_mid_stream_is_cancelled() {
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        let (send, body) = stream_of();
        let mut client = shop.client(protocol, once(body)).await;
        send.send(data("half")).unwrap();
        let mut body = client.get("/it").await.unwrap().into_body();
        soon("a frame", body.frame()).await.unwrap().unwrap();
        drop((client, body));

        let settled = shop.settled(Some("/it"), Outcome::Cancelled).await;
        assert_eq!(settled.error().as_deref(), Some("client_disconnect"));
        assert_eq!(settled.status(), Some(200));
        shop.close().await;
        drop(send);
    }
}

#[tokio::test]
async fn a_handler_that_panics_is_an_error() {
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        let app = goods(|| async { panic!("a handler that panics on purpose") });
        let mut client = shop.client(protocol, app).await;
        assert!(client.get("/it").await.is_err());

        let settled = shop.settled(Some("/it"), Outcome::Error).await;
        assert_eq!(settled.error().as_deref(), Some("panic"));
        assert_eq!(settled.status(), None);
        shop.close().await;
    }
}

#[tokio::test]
async fn a_panic_is_a_panic_although_a_layer_outside_catches_it_and_answers() {
    let mut shop = Shop::open();
    let app = goods(|| async {
        tokio::task::yield_now().await;
        panic!("a handler that panics on purpose")
    });
    let app = app.layer(shop.telemetry.layer());
    let caught = Router::new().fallback(move |request: axum::extract::Request| {
        let answer = AssertUnwindSafe(app.clone().oneshot(request)).catch_unwind();
        async move {
            match answer.await {
                Ok(answer) => answer.unwrap(),
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
    });
    let request = http::Request::get("/it").body(axum::body::Body::empty());
    let response = caught.oneshot(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), 500);
    let settled = shop.settled(Some("/it"), Outcome::Error).await;
    assert_eq!(settled.error().as_deref(), Some("panic"));
    shop.close().await;
}

#[tokio::test]
async fn a_body_that_panics_is_an_error() {
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        let frames = futures_util::stream::poll_fn(
            |_| -> std::task::Poll<Option<Result<Bytes, std::io::Error>>> {
                panic!("a body that panics on purpose")
            },
        );
        let mut client = shop
            .client(protocol, once(axum::body::Body::from_stream(frames)))
            .await;
        if protocol == Protocol::InProcess {
            let body = client.get("/it").await.unwrap().into_body();
            let read = AssertUnwindSafe(body_text(body)).catch_unwind().await;
            assert!(read.is_err());
        } else {
            let _ = client.get("/it").await.map(|_| ());
        }
        let settled = shop.settled(Some("/it"), Outcome::Error).await;
        assert_eq!(settled.error().as_deref(), Some("panic"));
        shop.close().await;
    }
}

#[tokio::test]
async fn a_stream_that_says_it_failed_is_an_error_whether_or_not_the_client_stays() {
    for protocol in Protocol::ALL {
        for stays in [true, false] {
            let mut shop = Shop::open();
            let (send, body) = stream_of();
            let failure = Failure::default();
            let body = Arc::new(Mutex::new(Some((body, failure.clone()))));
            let app = goods(move || {
                let body = body.clone();
                async move {
                    let (body, failure) = body.lock().await.take().unwrap();
                    let mut response = Response::new(body);
                    response.extensions_mut().insert(failure);
                    response
                }
            });
            let mut client = shop.client(protocol, app).await;
            send.send(data("data: {\"error\": \"no model\"}\n\n"))
                .unwrap();
            failure.set("llm_unavailable");
            failure.set("only the first counts");
            let mut body = client.get("/it").await.unwrap().into_body();
            soon("a frame", body.frame()).await.unwrap().unwrap();
            if stays {
                drop(send);
                body_text(body).await.unwrap();
            } else {
                drop((client, body));
            }
            let settled = shop.settled(Some("/it"), Outcome::Error).await;
            assert_eq!(settled.error().as_deref(), Some("llm_unavailable"));
            assert_eq!(settled.status(), Some(200));
            shop.close().await;
        }
    }
}

#[tokio::test]
async fn a_refusal_is_a_success_and_a_fault_an_error() {
    for protocol in Protocol::ALL {
        for (status, outcome, error) in [
            (StatusCode::BAD_REQUEST, Outcome::Success, None),
            (StatusCode::NOT_FOUND, Outcome::Success, None),
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                Outcome::Error,
                Some("500"),
            ),
            (StatusCode::SERVICE_UNAVAILABLE, Outcome::Error, Some("503")),
        ] {
            let mut shop = Shop::open();
            let app = goods(move || async move { (status, "because").into_response() });
            let mut client = shop.client(protocol, app).await;
            let body = client.get("/it").await.unwrap().into_body();
            body_text(body).await.unwrap();

            let settled = shop.settled(Some("/it"), outcome).await;
            assert_eq!(settled.error().as_deref(), error);
            assert_eq!(settled.status(), Some(status.as_u16().into()));
            shop.close().await;
        }
    }
}
