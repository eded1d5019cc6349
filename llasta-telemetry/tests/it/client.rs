//! The reqwest middleware, against servers on loopback ports.

mod body;
mod propagation;
mod retries;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse;
use http::StatusCode;
use llasta_telemetry::client::{PeerService, TelemetryMiddleware, UrlTemplate};
use llasta_telemetry::{Guard, Telemetry};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, RequestBuilder};

pub(crate) use self::propagation::through_and_back;
use super::support::{Collector, PATIENCE, Span, black_hole, serve, telemetry};

const CLIENT: i32 = 3;

struct Caller {
    telemetry: Guard,
    collector: Collector,
    client: ClientWithMiddleware,
}

impl Caller {
    fn new() -> Self {
        let collector = Collector::start();
        let (telemetry, _) = telemetry("caller", &collector);
        let client = client(&telemetry);
        Self {
            telemetry,
            collector,
            client,
        }
    }

    fn get(&self, address: SocketAddr) -> RequestBuilder {
        self.client.get(format!("http://{address}/"))
    }

    /// The span of the only request so far.
    async fn span(&mut self) -> Span {
        let span = self.collector.next().await;
        assert_eq!(span.proto.kind, CLIENT);
        span
    }

    /// What has ended by now.
    async fn ended(&mut self) -> Vec<Span> {
        self.telemetry.flush(PATIENCE).await;
        self.collector.arrived()
    }
}

fn client(telemetry: &Telemetry) -> ClientWithMiddleware {
    ClientBuilder::new(reqwest::Client::new())
        .with(TelemetryMiddleware::recorded_by(telemetry))
        .build()
}

async fn answering(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> SocketAddr {
    serve(Router::new().fallback(move || std::future::ready(answer.clone()))).await
}

#[tokio::test]
async fn a_template_and_a_peer_name_the_span() {
    let mut caller = Caller::new();
    let address = answering("ok").await;
    let request = caller
        .client
        .post(format!("http://{address}/search?k=5"))
        .with_extension(UrlTemplate("/search"))
        .with_extension(PeerService("faiss-wrap"));
    request.send().await.unwrap().bytes().await.unwrap();
    let span = caller.span().await;
    assert_eq!(span.name(), "POST /search");
    assert_eq!(span.get("http.request.method"), "POST");
    assert_eq!(span.get("url.template"), "/search");
    assert_eq!(span.get("peer.service"), "faiss-wrap");
    assert_eq!(span.get("url.full"), format!("http://{address}/search?k=5"));
    assert_eq!(span.get("server.address"), "127.0.0.1");
    assert_eq!(span.get("server.port"), address.port());
    assert_eq!(span.get("http.response.status_code"), 200);
    assert!(span.get("http.request.resend_count").is_null());
    assert!(span.get("error.type").is_null());
    assert_eq!(span.status(), 0);
}

#[tokio::test]
async fn without_a_template_the_name_is_the_method() {
    let mut caller = Caller::new();
    let address = answering("ok").await;
    caller.get(address).send().await.unwrap();
    assert_eq!(caller.span().await.name(), "GET");
}

#[tokio::test]
async fn refusals_and_faults_are_errors() {
    for status in [StatusCode::NOT_FOUND, StatusCode::INTERNAL_SERVER_ERROR] {
        let mut caller = Caller::new();
        let address = answering((status, "no")).await;
        let response = caller.get(address).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "no");
        let span = caller.span().await;
        assert_eq!(span.status(), 2);
        assert_eq!(span.get("error.type"), status.as_str());
        assert_eq!(span.get("http.response.status_code"), status.as_u16());
    }
}

#[tokio::test]
async fn nobody_there_is_a_connect_error() {
    let mut caller = Caller::new();
    let (listener, address) = black_hole();
    drop(listener);
    assert!(caller.client.get(address).send().await.is_err());
    let span = caller.span().await;
    assert_eq!(span.status(), 2);
    assert_eq!(span.get("error.type"), "connect_error");
    let message = span.get("error.message").to_string();
    assert!(message.contains("refused"), "{message}");
    assert!(span.get("http.response.status_code").is_null());
}

#[tokio::test]
async fn no_answer_in_time_is_a_time_out() {
    let mut caller = Caller::new();
    let (_listener, address) = black_hole();
    let request = caller
        .client
        .get(address)
        .timeout(Duration::from_millis(20));
    assert!(request.send().await.is_err());
    let span = caller.span().await;
    assert_eq!(span.status(), 2);
    assert_eq!(span.get("error.type"), "timeout");
}

#[tokio::test]
async fn credentials_and_secrets_stay_out_of_the_address() {
    let mut caller = Caller::new();
    let address = answering("ok").await;
    let secret = format!("http://me:hunter2@{address}/p?api_key=hunter3&k=1");
    // Written into the request itself, where reqwest leaves them.
    let request = reqwest::Request::new(http::Method::GET, secret.parse().unwrap());
    caller.client.execute(request).await.unwrap();
    let span = caller.span().await;
    assert_eq!(
        span.get("url.full"),
        format!("http://REDACTED:REDACTED@{address}/p?api_key=REDACTED&k=1")
    );
    assert!(!format!("{span:?}").contains("hunter"));
}

#[tokio::test]
async fn the_answer_is_the_one_that_came() {
    let caller = Caller::new();
    let headers = [("x-answer", "42"), ("content-type", "text/plain")];
    let address = answering((StatusCode::CREATED, headers, "hello")).await;
    let url = format!("http://{address}/where?q=1");
    let response = caller.client.get(&url).send().await.unwrap();
    assert_eq!(response.url().as_str(), url);
    assert_eq!(response.remote_addr(), Some(address));
    assert_eq!(response.status(), 201);
    assert_eq!(response.version(), http::Version::HTTP_11);
    assert_eq!(response.headers()["x-answer"], "42");
    assert_eq!(response.content_length(), Some(5));
    assert_eq!(response.text().await.unwrap(), "hello");
}
