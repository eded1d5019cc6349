//! An OpenAI-compatible server that says what a test tells it, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{DEADLINE, Served};

/// What it answers.
#[derive(Debug, Clone)]
pub(crate) enum Say {
    /// A status and a body.
    Status(u16, String),
    /// A stream of these texts, as they are.
    Stream(Vec<String>),
    /// The same, and then the connection breaks.
    Break(Vec<String>),
    /// The same, and then nothing more, while the connection stays.
    Silence(Vec<String>),
    /// Not even a head.
    Nothing,
}

impl Say {
    /// A whole answer.
    pub(crate) fn whole(content: &str) -> Self {
        let body = json!({
            "choices": [{"index": 0, "finish_reason": "stop",
                         "message": {"role": "assistant", "content": content}}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
        });
        Self::Status(200, body.to_string())
    }

    /// A streamed answer as it should be.
    pub(crate) fn stream(pieces: &[&str]) -> Self {
        let mut events: Vec<_> = pieces.iter().map(|piece| Self::piece(piece)).collect();
        events.push(event(&json!({
            "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]
        })));
        events.push(event(&json!({
            "choices": [],
            "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
        })));
        events.push("data: [DONE]\n\n".to_owned());
        Self::Stream(events)
    }

    /// One event with a piece of the answer.
    pub(crate) fn piece(content: &str) -> String {
        event(&json!({"choices": [{"index": 0, "delta": {"content": content}}]}))
    }
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// The server.
#[derive(Debug)]
pub(crate) struct FakeLlm {
    /// The server, to be served elsewhere too.
    pub(crate) app: Router,
    pub(crate) served: Served,
    shared: Arc<Shared>,
    open: watch::Receiver<usize>,
}

#[derive(Debug)]
struct Shared {
    say: Say,
    asked: Mutex<Vec<(HeaderMap, Value)>>,
    /// Requests that are not answered yet and whose client is there.
    open: watch::Sender<usize>,
}

impl FakeLlm {
    pub(crate) async fn new(say: Say) -> Self {
        Self::beside(say, Router::new()).await
    }

    /// With other paths beside the usual ones.
    pub(crate) async fn beside(say: Say, others: Router) -> Self {
        let (count, open) = watch::channel(0);
        let shared = Arc::new(Shared {
            say,
            asked: Mutex::default(),
            open: count,
        });
        let app = Router::new()
            .route("/v1/chat/completions", post(complete))
            .route("/health", get(|| async {}))
            .with_state(shared.clone())
            .merge(others);
        Self {
            served: Served::new(app.clone()).await,
            app,
            shared,
            open,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.served.url
    }

    /// The bodies of the requests so far.
    pub(crate) fn asked(&self) -> Vec<Value> {
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().map(|(_, body)| body.clone()).collect()
    }

    /// Their headers.
    pub(crate) fn headers(&self) -> Vec<HeaderMap> {
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().map(|(headers, _)| headers.clone()).collect()
    }

    /// The only request so far.
    pub(crate) fn only(&self) -> (HeaderMap, Value) {
        let asked = self.shared.asked.lock().unwrap();
        assert_eq!(asked.len(), 1);
        asked[0].clone()
    }

    /// Waits until so many requests are open.
    pub(crate) async fn open(&self, requests: usize) {
        let mut open = self.open.clone();
        let waited = tokio::time::timeout(DEADLINE, open.wait_for(|open| *open == requests)).await;
        waited.unwrap().unwrap();
    }
}

/// A request that is open as long as this lives.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.open.send_modify(|open| *open += 1);
        Self(shared.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}

async fn complete(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let open = Open::new(&shared);
    let asked = serde_json::from_slice(&body).unwrap();
    shared.asked.lock().unwrap().push((headers, asked));
    let (events, end) = match shared.say.clone() {
        Say::Status(status, body) => {
            return (StatusCode::from_u16(status).unwrap(), body).into_response();
        }
        Say::Nothing => std::future::pending().await,
        Say::Stream(events) => (events, stream::empty().boxed()),
        Say::Break(events) => {
            let broken = async {
                // The server sends what it has while nothing more is there.
                tokio::task::yield_now().await;
                Err(std::io::Error::other("told to break"))
            };
            (events, stream::once(broken).boxed())
        }
        Say::Silence(events) => (events, stream::pending().boxed()),
    };
    let events = stream::iter(events.into_iter().map(Bytes::from).map(Ok)).chain(end);
    let events = events.map(move |event| {
        let _ = &open;
        event
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream")];
    (headers, Body::from_stream(events)).into_response()
}
