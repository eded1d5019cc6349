//! Requests through an axum router, without sockets.

use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use axum::{Json, Router, routing::post};
use http_body_util::BodyExt;
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service, ServiceExt};

use super::{Proof, QUESTION};
use crate::measure::Subject;

/// A router and the requests it gets: `POST /api/chat`, six headers, a body of 83 bytes.
#[derive(Debug)]
pub struct Server {
    runtime: Runtime,
    router: Router,
    traceparent: bool,
    sent: u64,
    proof: Proof,
}

impl Server {
    /// A router with whatever layers it shall have.
    pub fn new(router: Router, proof: Proof) -> Self {
        Self {
            runtime: Builder::new_current_thread()
                .build()
                .expect("a runtime without drivers"),
            // As `axum::serve` does: without it axum applies every layer again for each request.
            router: router.with_state(()),
            traceparent: false,
            sent: 0,
            proof,
        }
    }

    /// Requests carry a sampled `traceparent`, each of a trace of its own.
    #[must_use]
    pub fn with_traceparent(mut self) -> Self {
        self.traceparent = true;
        self
    }

    fn request(&mut self) -> Request {
        self.sent += 1;
        let mut request = Request::post("/api/chat")
            .header(header::HOST, "chatbot-rag:8080")
            .header(
                header::USER_AGENT,
                "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
            )
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_LENGTH, QUESTION.len())
            .header(header::AUTHORIZATION, "Bearer 0123456789abcdef");
        if self.traceparent {
            let number = self.sent;
            request = request.header("traceparent", format!("00-{number:032x}-{number:016x}-01"));
        }
        request
            .body(Body::from(QUESTION))
            .expect("the parts are constants")
    }
}

impl Subject for Server {
    fn batch(&mut self, count: usize) -> Box<dyn FnOnce() + '_> {
        let requests: Vec<Request> = (0..count).map(|_| self.request()).collect();
        Box::new(|| {
            self.runtime.block_on(async {
                for request in requests {
                    let response = self
                        .router
                        .clone()
                        .oneshot(request)
                        .await
                        .expect("axum's routers do not fail");
                    let mut body = response.into_body();
                    while let Some(frame) = body.frame().await {
                        std::hint::black_box(frame.expect("the body is in memory"));
                    }
                }
            });
        })
    }

    fn settle(&mut self) {
        self.proof.settle();
    }

    fn verify(&mut self, operations: u64) {
        self.proof.verify(operations);
    }
}

/// The route that all variants have.
pub fn chat_router() -> Router {
    Router::new().route("/api/chat", post(chat))
}

async fn chat() -> Json<&'static str> {
    const ANSWER: &str = "An answer of two hundred bytes, as a chat service may give: the retrieval found five passages, three \
         of them were above the threshold, and the model wrote one hundred tokens from them.";
    Json(ANSWER)
}

/// A layer that does nothing: axum's own price for one.
#[derive(Debug, Clone)]
pub struct NoopLayer;

impl<S> Layer<S> for NoopLayer {
    type Service = Noop<S>;

    fn layer(&self, inner: S) -> Noop<S> {
        Noop(inner)
    }
}

/// The service of [`NoopLayer`].
#[derive(Debug, Clone)]
pub struct Noop<S>(S);

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
