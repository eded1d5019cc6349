//! What the server is told.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::any;
use http::HeaderMap;
use llasta_telemetry::Telemetry;
use llasta_telemetry::client::TelemetryMiddleware;
use llasta_telemetry::context::{Carried, with_baggage};
use llasta_telemetry::opentelemetry_sdk::error::OTelSdkResult;
use llasta_telemetry::opentelemetry_sdk::trace::{SpanData, SpanExporter};
use llasta_telemetry::schema::rag::RetrieveContext;
use llasta_telemetry::span::Sampler;
use reqwest_middleware::ClientBuilder;

use super::super::support::{
    Client, Collector, Protocol, Shop, Spans, alone, body_text, serve, soon,
};
use super::{Caller, client};

/// Says which trace context came in.
pub(super) async fn echo(headers: HeaderMap) -> String {
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
    let sent = body_text(body).await.unwrap();
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
    let sent = soon("the answer", body_text(body)).await.unwrap();
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
    (body_text(body).await.unwrap(), INCOMING)
}

/// Says which baggage came in, header by header.
async fn baggage(headers: HeaderMap) -> String {
    let all: Vec<_> = headers.get_all("baggage").iter().collect();
    let all: Vec<_> = all.iter().map(|value| value.to_str().unwrap()).collect();
    all.join(" | ")
}

#[tokio::test]
async fn the_server_is_told_the_baggage_sampled_or_not() {
    let address = serve(Router::new().fallback(baggage)).await;
    for sampler in [Sampler::AlwaysOn, Sampler::AlwaysOff] {
        let telemetry = Telemetry::builder("caller")
            .span_exporter(Discarded)
            .sampler(sampler)
            .build()
            .unwrap();
        let url = format!("http://{address}/");
        let ask = |request: reqwest_middleware::RequestBuilder| async {
            let entries = [("session.id", "s 17"), ("tenant", "acme")];
            let sent = Carried::new(with_baggage(entries), request.send()).await;
            sent.unwrap().text().await.unwrap()
        };
        let middleware = TelemetryMiddleware::recorded_by(&telemetry);
        let build = |middleware| {
            ClientBuilder::new(reqwest::Client::new())
                .with(middleware)
                .build()
        };
        let told = build(middleware.clone());
        assert_eq!(ask(told.get(&url)).await, "session.id=s%2017,tenant=acme");
        // What the request says itself stays.
        let own = told.get(&url).header("baggage", "own=1");
        assert_eq!(ask(own).await, "own=1 | session.id=s%2017,tenant=acme");
        let others = build(middleware.without_baggage());
        assert_eq!(ask(others.get(&url)).await, "");
        // Without any there is no header.
        let none = told.get(&url).send().await.unwrap();
        assert_eq!(none.text().await.unwrap(), "");
    }
}

#[tokio::test]
async fn the_client_span_has_the_allowed_entries() {
    let mut caller = Caller::new();
    let address = serve(Router::new().fallback(baggage)).await;
    let entries = [("session.id", "s-17"), ("tenant", "acme")];
    let request = Carried::new(with_baggage(entries), caller.get(address).send());
    request.await.unwrap().bytes().await.unwrap();
    let span = caller.span().await;
    assert_eq!(span.get("session.id"), "s-17");
    assert!(span.get("tenant").is_null());
}

#[test]
fn without_its_propagator_baggage_stays_here() {
    for list in ["tracecontext", "none", "baggage"] {
        let output = alone(&[("OTEL_PROPAGATORS", list)], || {
            let told = std::env::var("OTEL_PROPAGATORS").unwrap() == "baggage";
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let telemetry = Telemetry::builder("caller")
                    .span_exporter(Discarded)
                    .build()
                    .unwrap();
                let address = serve(Router::new().fallback(baggage)).await;
                let request = client(&telemetry).get(format!("http://{address}/"));
                let scope = with_baggage([("session.id", "s-17")]);
                let response = Carried::new(scope, request.send()).await.unwrap();
                let expected = if told { "session.id=s-17" } else { "" };
                assert_eq!(response.text().await.unwrap(), expected);
            });
        });
        if output.is_none() {
            return;
        }
    }
}

/// Takes spans and keeps none.
#[derive(Debug)]
struct Discarded;

impl SpanExporter for Discarded {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}
