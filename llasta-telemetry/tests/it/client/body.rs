//! The body of an answer, and how it ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http_body::Frame;
use tokio::sync::Mutex;

use super::super::support::{black_hole, serve, stream_of};
use super::{Caller, answering};

/// A server with one answer, whose body the test holds the other end of.
async fn streaming(body: Body) -> SocketAddr {
    let body = Arc::new(Mutex::new(Some(body)));
    serve(Router::new().fallback(move || {
        let body = body.clone();
        async move { Response::new(body.lock().await.take().unwrap()) }
    }))
    .await
}

#[tokio::test]
async fn a_body_that_stalls_is_a_time_out() {
    let mut caller = Caller::new();
    let (send, body) = stream_of();
    let address = streaming(body).await;
    let request = caller.get(address).timeout(Duration::from_millis(50));
    let response = request.send().await.unwrap();
    assert!(response.bytes().await.is_err());
    assert_eq!(caller.span().await.get("error.type"), "timeout");
    drop(send);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error() {
    let mut caller = Caller::new();
    let (send, body) = stream_of();
    let address = streaming(body).await;
    send.send(Ok(Frame::data(Bytes::from_static(b"half"))))
        .unwrap();
    let mut response = caller.get(address).send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "half");
    send.send(Err("gone".into())).unwrap();
    assert!(response.chunk().await.is_err());
    let span = caller.span().await;
    assert_eq!(span.get("error.type"), "body_error");
    assert_eq!(span.get("http.response.status_code"), 200);
}

#[tokio::test]
async fn the_span_of_a_stream_ends_at_its_last_byte() {
    const PAUSE: Duration = Duration::from_millis(60);
    let mut caller = Caller::new();
    let (send, body) = stream_of();
    let address = streaming(body).await;
    let mut response = caller.get(address).send().await.unwrap();
    send.send(Ok(Frame::data(Bytes::from_static(b"first"))))
        .unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "first");
    assert!(caller.ended().await.is_empty());
    // This is the length of the stream and waits for nothing.
    tokio::time::sleep(PAUSE).await;
    drop(send);
    assert!(response.chunk().await.unwrap().is_none());
    let span = caller.span().await;
    assert!(span.seconds() >= PAUSE.as_secs_f64());
    assert_eq!(span.status(), 0);
}

#[tokio::test]
async fn who_keeps_an_answer_does_not_keep_the_span() {
    for answer in ["hello", ""] {
        let mut caller = Caller::new();
        let mut response = caller.get(answering(answer).await).send().await.unwrap();
        if !answer.is_empty() {
            assert_eq!(response.chunk().await.unwrap().unwrap(), answer);
        }
        assert_eq!(caller.span().await.status(), 0);
        drop(response);
    }
    let mut caller = Caller::new();
    let address = answering("hello").await;
    let head = caller
        .client
        .head(format!("http://{address}/"))
        .send()
        .await
        .unwrap();
    assert_eq!(caller.span().await.name(), "HEAD");
    assert_eq!(head.headers()["content-length"], "5");
}

#[tokio::test]
async fn an_answer_that_is_dropped_early_is_no_error() {
    let mut caller = Caller::new();
    let (send, body) = stream_of();
    let address = streaming(body).await;
    let mut response = caller.get(address).send().await.unwrap();
    send.send(Ok(Frame::data(Bytes::from_static(b"first"))))
        .unwrap();
    response.chunk().await.unwrap();
    assert!(caller.ended().await.is_empty());
    drop(response);
    let span = caller.span().await;
    assert_eq!(span.status(), 0);
    assert!(span.get("error.type").is_null());
}

#[tokio::test]
async fn a_request_that_is_given_up_ends_its_span() {
    let mut caller = Caller::new();
    let (_listener, address) = black_hole();
    let request = caller.client.get(address).send();
    assert!(
        tokio::time::timeout(Duration::from_millis(20), request)
            .await
            .is_err()
    );
    let span = caller.span().await;
    assert_eq!(span.status(), 0);
    assert!(span.get("http.response.status_code").is_null());
}

/// Frames behind a head of the test's own.
async fn with_head(name: &'static str, value: &'static str, body: Body) -> SocketAddr {
    let body = Arc::new(Mutex::new(Some(body)));
    serve(Router::new().fallback(move || {
        let body = body.clone();
        async move {
            let mut response = Response::new(body.lock().await.take().unwrap());
            let value = http::HeaderValue::from_static(value);
            response.headers_mut().insert(name, value);
            response
        }
    }))
    .await
}

#[tokio::test]
async fn an_answer_of_known_length_ends_with_its_last_byte_and_breaks_off_before() {
    for (second, error) in [("ond", None), ("", Some("body_error"))] {
        let mut caller = Caller::new();
        let (send, body) = stream_of();
        let address = with_head("content-length", "6", body).await;
        let mut response = caller.get(address).send().await.unwrap();
        assert_eq!(response.content_length(), Some(6));
        send.send(Ok(Frame::data(Bytes::from_static(b"sec"))))
            .unwrap();
        assert_eq!(response.chunk().await.unwrap().unwrap(), "sec");
        assert_eq!(response.content_length(), Some(3));
        assert!(caller.ended().await.is_empty());
        if error.is_none() {
            send.send(Ok(Frame::data(Bytes::from_static(second.as_bytes()))))
                .unwrap();
            assert_eq!(response.chunk().await.unwrap().unwrap(), second);
        } else {
            drop(send);
            assert!(response.chunk().await.is_err());
        }
        // The answer is still held.
        assert_eq!(caller.span().await.get("error.type").as_str(), error);
    }
}

#[tokio::test]
async fn trailers_pass() {
    let mut caller = Caller::new();
    let (send, body) = stream_of();
    let address = with_head("trailer", "x-sum", body).await;
    let request = caller.get(address).header("te", "trailers");
    let response = request.send().await.unwrap();
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-sum", http::HeaderValue::from_static("17"));
    send.send(Ok(Frame::data(Bytes::from_static(b"data"))))
        .unwrap();
    send.send(Ok(Frame::trailers(trailers))).unwrap();
    drop(send);
    let body = http::Response::from(response).into_body();
    let read = http_body_util::BodyExt::collect(body).await.unwrap();
    assert_eq!(read.trailers().unwrap()["x-sum"], "17");
    assert_eq!(read.to_bytes(), "data");
    assert_eq!(caller.span().await.status(), 0);
}
