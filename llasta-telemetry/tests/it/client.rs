//! The reqwest middleware, against servers on loopback ports.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use bytes::Bytes;
use http::{Extensions, HeaderMap, StatusCode};
use http_body::Frame;
use llasta_telemetry::client::{PeerService, TelemetryMiddleware, UrlTemplate};
use llasta_telemetry::schema::rag::RetrieveContext;
use llasta_telemetry::span::Sampler;
use llasta_telemetry::{Guard, Telemetry};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next, RequestBuilder};
use tokio::sync::Mutex;

use super::support::{
    Client, Collector, PATIENCE, Protocol, Shop, Span, Spans, black_hole, serve, soon, stream_of,
    telemetry,
};

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

/// A server with one answer, whose body the test holds the other end of.
async fn streaming(body: Body) -> SocketAddr {
    let body = std::sync::Arc::new(Mutex::new(Some(body)));
    serve(Router::new().fallback(move || {
        let body = body.clone();
        async move { Response::new(body.lock().await.take().unwrap()) }
    }))
    .await
}

/// Says which trace context came in.
async fn echo(headers: HeaderMap) -> String {
    let header = |name| {
        headers
            .get(name)
            .map_or("none", |value| value.to_str().unwrap())
    };
    format!("{} {}", header("traceparent"), header("tracestate"))
}

#[tokio::test]
async fn the_server_is_told_the_ids_of_the_client_span() {
    let mut caller = Caller::new();
    let address = serve(Router::new().fallback(echo)).await;
    let outer = RetrieveContext::start_in(&caller.telemetry, 5, 0.5);
    let response = outer.run(caller.get(address).send()).await.unwrap();
    let sent = response.text().await.unwrap();
    let span = caller.span().await;
    assert_eq!(
        sent,
        format!("00-{}-{}-01 none", span.trace_id(), span.span_id())
    );
    assert_eq!(span.parent(), format!("{}", outer.span_id()));
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

/// Sends again what was answered with 503.
struct Again;

#[async_trait]
impl Middleware for Again {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        loop {
            let again = request.try_clone().unwrap();
            let answer = next.clone().run(again, extensions).await?;
            if answer.status() != StatusCode::SERVICE_UNAVAILABLE {
                return Ok(answer);
            }
        }
    }
}

#[tokio::test]
async fn each_attempt_has_a_span_and_says_how_often_it_was_sent_before() {
    let mut caller = Caller::new();
    let attempts = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let app = get(move |headers: HeaderMap| async move {
        if attempts.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2 {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        echo(headers).await.into_response()
    });
    let address = serve(Router::new().route("/", app)).await;
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(Again)
        .with(TelemetryMiddleware::recorded_by(&caller.telemetry))
        .build();
    let outer = RetrieveContext::start_in(&caller.telemetry, 5, 0.5);
    let request = client.get(format!("http://{address}/")).send();
    let sent = outer.run(request).await.unwrap().text().await.unwrap();
    let spans = caller.collector.take(3).await;
    let resends: Vec<_> = spans
        .iter()
        .map(|span| span.get("http.request.resend_count").as_i64())
        .collect();
    assert_eq!(resends, [None, Some(1), Some(2)]);
    let statuses: Vec<_> = spans.iter().map(Span::status).collect();
    assert_eq!(statuses, [2, 2, 0]);
    for span in &spans {
        assert_eq!(span.parent(), outer.span_id().to_string());
    }
    assert!(sent.contains(&spans[2].span_id()), "{sent}");
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

#[tokio::test]
async fn an_unsampled_trace_goes_on_unsampled() {
    let collector = Collector::start();
    let telemetry = Telemetry::builder("caller")
        .otlp_endpoint(collector.endpoint())
        .sampler(Sampler::AlwaysOff)
        .build()
        .unwrap();
    let address = serve(Router::new().fallback(echo)).await;
    let response = client(&telemetry)
        .get(format!("http://{address}/"))
        .send()
        .await
        .unwrap();
    let sent = response.text().await.unwrap();
    assert!(
        sent.starts_with("00-") && sent.ends_with("-00 none"),
        "{sent}"
    );
    assert_eq!(telemetry.shutdown().await.exported, 0);
}

/// A service that asks the address for what it is asked itself.
async fn through(shop: &Shop, route: &'static str, address: SocketAddr) -> Client {
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(TelemetryMiddleware::new())
        .build();
    let app = any(move || async move {
        let response = client
            .get(format!("http://{address}/"))
            .send()
            .await
            .unwrap();
        response.text().await.unwrap()
    });
    shop.client(Protocol::Http1, Router::new().route(route, app))
        .await
}

const INCOMING: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn a_request_goes_through_a_service_in_one_trace_with_its_state() {
    let mut shop = Shop::open();
    let address = serve(Router::new().fallback(echo)).await;
    let mut front = through(&shop, "/it", address).await;
    let request = http::Request::get("/it")
        .header("traceparent", INCOMING)
        .header("tracestate", "vendor=1");
    let body = front.send(request).await.unwrap().into_body();
    let sent = super::support::body_text(body).await.unwrap();
    let spans = shop.collector.take(2).await;
    let (server, client) = (spans.named("GET /it"), spans.named("GET"));
    assert_eq!(client.parent(), server.span_id());
    assert_eq!(server.parent(), "b7ad6b7169203331");
    let trace = "0af7651916cd43dd8448eb211c80319c";
    assert_eq!(sent, format!("00-{trace}-{}-01 vendor=1", client.span_id()));
}

#[tokio::test]
async fn an_excluded_route_passes_the_caller_s_trace_on_and_adds_nothing() {
    let shop = Shop::open();
    let address = serve(Router::new().fallback(echo)).await;
    let mut front = through(&shop, "/health", address).await;
    let request = http::Request::get("/health").header("traceparent", INCOMING);
    let body = front.send(request).await.unwrap().into_body();
    let sent = soon("the answer", super::support::body_text(body))
        .await
        .unwrap();
    assert_eq!(sent, format!("{INCOMING} none"));
    assert_eq!(shop.telemetry.shutdown().await.exported, 0);
}

/// Sends a request with a trace context through a service of this telemetry: what the neighbour
/// behind it is told, and what was sent.
pub(crate) async fn through_and_back(telemetry: &Telemetry) -> (String, &'static str) {
    let address = serve(Router::new().fallback(echo)).await;
    let client = client(telemetry);
    let app = any(move || async move {
        let response = client
            .get(format!("http://{address}/"))
            .send()
            .await
            .unwrap();
        response.text().await.unwrap()
    });
    let app = Router::new().route("/it", app).layer(telemetry.layer());
    let mut front = Client::connect(Protocol::InProcess, app).await;
    let request = http::Request::get("/it").header("traceparent", INCOMING);
    let body = front.send(request).await.unwrap().into_body();
    (super::support::body_text(body).await.unwrap(), INCOMING)
}
