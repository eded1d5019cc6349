//! What the tests of the services share: calling a router, serving one on a port, running the binary,
//! and a stand-in for an OpenAI-compatible server that does what a test tells it.

mod binary;
mod chat;
mod checking;
mod fake_llm;
#[cfg(feature = "milvus")]
pub(crate) mod milvus;
pub(crate) mod pdf;
mod world;

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use serde_json::Value;
use tokio::task::JoinHandle;
use tower::ServiceExt;

pub(crate) use self::binary::{Ended, Llasta, client, command, run};
pub(crate) use self::chat::{Chat, QUESTION, keys, question, streamed, thoughts};
pub(crate) use self::checking::{Checking, post_otlp};
pub(crate) use self::fake_llm::{FakeLlm, Say};
pub(crate) use self::world::{Index, items, settled};

/// How long anything may take that is waited for. Nothing is waited for longer than it takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        serde_json::from_str(&self.text).unwrap()
    }

    /// What a refusal says, which is all that it says.
    #[track_caller]
    pub(crate) fn refusal(&self) -> String {
        let json = self.json();
        let only = json.as_object().filter(|json| json.len() == 1);
        let error = only.and_then(|json| json.get("error")?.as_str());
        error
            .unwrap_or_else(|| panic!("no refusal: {self:?}"))
            .to_owned()
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        match self.headers.get(name) {
            Some(value) => value.to_str().unwrap(),
            None => panic!("no header {name}: {self:?}"),
        }
    }

    /// The data of each server-sent event.
    pub(crate) fn events(&self) -> Vec<&str> {
        let events = self.text.split_terminator("\n\n");
        events
            .map(|event| event.strip_prefix("data: ").unwrap())
            .collect()
    }
}

/// Calls a router in this process.
pub(crate) async fn call(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    Answer {
        status: head.status,
        headers: head.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

pub(crate) fn post(path: &str, body: &Value) -> Request<Body> {
    raw(
        "POST",
        path,
        Some("application/json"),
        body.to_string().into(),
    )
}

pub(crate) fn get(path: &str) -> Request<Body> {
    raw("GET", path, None, Body::empty())
}

pub(crate) fn raw(
    method: &str,
    path: &str,
    content_type: Option<&str>,
    body: Body,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(content_type) = content_type {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    request.body(body).unwrap()
}

/// A router on a loopback port, until it is dropped.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) url: String,
    task: JoinHandle<()>,
}

impl Served {
    pub(crate) async fn new(app: Router) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        Self::on(listener, app)
    }

    pub(crate) fn on(listener: tokio::net::TcpListener, app: Router) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, task }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The address of a port where nobody listens: it was free a moment ago.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Waits until something holds that tells nobody when it begins to.
#[track_caller]
pub(crate) fn until(mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let polling = async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        if tokio::time::timeout(DEADLINE, polling).await.is_err() {
            panic!("{caller}: it does not hold after {DEADLINE:?}");
        }
    }
}
