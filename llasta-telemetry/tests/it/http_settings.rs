//! What can be configured of the tower layer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, Request};
use llasta_telemetry::content::{Capture, ContentPolicy, Messages};
use llasta_telemetry::http::{RequestMetrics, ServiceMetrics, TelemetryLayer};
use llasta_telemetry::metrics::Format;
use llasta_telemetry::schema::rag::BuildContext;
use llasta_telemetry::{Sampler, Telemetry};
use tower::util::MapRequestLayer;
use tower::{Layer, ServiceExt, service_fn};

use super::support::{Client, Collector, Protocol, Shop, body_text, eager};

mod keys {
    llasta_telemetry::schema! {
        /// What the shop knows of those who ask.
        namespace shop;
        keys {
            /// Who asks.
            TENANT: "shop.tenant" => str { example: "acme" },
            /// What they look for.
            QUERY: "shop.query" => str { content, example: "shoes" },
            /// Items in the answer.
            ITEMS: "shop.items" => i64 { example: "3" },
        }
    }
}

async fn three() -> Response {
    let mut response = "three".into_response();
    let items = HeaderValue::from_static("3");
    response.headers_mut().insert("x-items", items);
    response
}

fn hooked(layer: TelemetryLayer, calls: &Arc<AtomicUsize>) -> TelemetryLayer {
    let (on_request, on_response) = (calls.clone(), calls.clone());
    layer
        .on_request(move |request, attributes| {
            on_request.fetch_add(1, Relaxed);
            assert_eq!(request.route, Some("/it"));
            let tenant = request.headers.get("x-tenant");
            if let Some(tenant) = tenant.and_then(|tenant| tenant.to_str().ok()) {
                attributes.set(keys::TENANT, tenant);
            }
            attributes.set(keys::QUERY, request.uri.query().unwrap_or_default());
        })
        .on_response(move |response, attributes| {
            on_response.fetch_add(1, Relaxed);
            let items = response.headers.get("x-items");
            let items = items.and_then(|items| items.to_str().ok()?.parse::<i64>().ok());
            attributes.set(keys::ITEMS, items.unwrap_or_default());
        })
}

#[tokio::test]
async fn hooks_give_the_span_attributes_of_request_and_answer() {
    let mut collector = Collector::start();
    let telemetry = Telemetry::builder("shop")
        .otlp_endpoint(collector.endpoint())
        .queue(eager())
        .content(ContentPolicy::new(
            Some(Capture::Truncate(4)),
            Messages::NoContent,
        ))
        .build()
        .unwrap();
    let calls = Arc::default();
    let app = Router::new()
        .route("/it", get(three))
        .layer(hooked(telemetry.layer().without_access_lines(), &calls));
    let request = Request::get("/it?shoes").header("x-tenant", "acme");
    let mut client = Client::connect(Protocol::InProcess, app).await;
    body_text(client.send(request).await.unwrap().into_body())
        .await
        .unwrap();
    let span = collector.next().await;
    assert_eq!(span.get("shop.tenant"), "acme");
    assert_eq!(
        span.get("shop.query"),
        "shoe",
        "content goes through the policy"
    );
    assert_eq!(span.get("shop.items"), 3);
    assert_eq!(span.get("http.route"), "/it");
    assert_eq!(calls.load(Relaxed), 2);
}

#[tokio::test]
async fn hooks_are_not_asked_for_a_span_that_is_not_kept() {
    let shop = Shop::sampling(Sampler::AlwaysOff);
    let calls = Arc::default();
    let app = Router::new()
        .route("/it", get(three))
        .layer(hooked(shop.telemetry.layer(), &calls));
    let mut client = Client::connect(Protocol::InProcess, app).await;
    let answer = client.get("/it").await.unwrap();
    body_text(answer.into_body()).await.unwrap();
    assert_eq!(calls.load(Relaxed), 0);
}

#[tokio::test]
async fn names_buckets_and_endpoints_can_be_chosen() {
    let telemetry = Telemetry::builder("shop").build().unwrap();
    let metrics = ServiceMetrics::builder("store")
        .requests("store_calls_total")
        .duration("store_latency_seconds")
        .in_flight("store_busy")
        .first_byte(None)
        .buckets([0.5, 5.0])
        .endpoint(|route| match route {
            "/hidden" => None,
            route => Some(route.trim_start_matches('/').to_owned().into()),
        })
        .register(telemetry.registry())
        .unwrap();
    let layer = TelemetryLayer::new(&telemetry, metrics).without_access_lines();
    let app = Router::new()
        .route("/it", get(three))
        .route("/hidden", get(three))
        .fallback(|| async { "none" })
        .layer(layer);
    let mut client = Client::connect(Protocol::InProcess, app).await;
    for path in ["/it", "/hidden", "/a/b", "/c"] {
        let answer = client.get(path).await.unwrap();
        body_text(answer.into_body()).await.unwrap();
    }
    let page = telemetry.registry().render(Format::Text);
    for line in [
        "store_calls_total{endpoint=\"it\",status=\"success\"} 1",
        "store_calls_total{endpoint=\"unmatched\",status=\"success\"} 2",
        "store_latency_seconds_bucket{endpoint=\"it\",le=\"0.5\"} 1",
        "store_latency_seconds_bucket{endpoint=\"it\",le=\"5.0\"} 1",
        "store_busy{endpoint=\"it\"} 0",
    ] {
        assert!(
            page.lines().any(|found| found == line),
            "no `{line}` in\n{page}"
        );
    }
    assert!(
        !page.contains("hidden") && !page.contains("first_byte"),
        "{page}"
    );
}

#[test]
fn wrong_settings_say_what_to_do() {
    let telemetry = Telemetry::disabled();
    let begin = || ServiceMetrics::builder("shop");
    for (builder, advice) in [
        (begin().requests("shop_requests"), "ends in _total"),
        (
            begin().duration("shop-latency"),
            "use letters, digits and underscores",
        ),
        (begin().duration("1s"), "no digit first"),
        (begin().in_flight("shop_requests"), "rename one of them"),
        (
            begin().duration("shop_requests_in_flight"),
            "rename one of them",
        ),
        (begin().buckets([]), "do not rise"),
        (
            begin().buckets([2.0, 1.0]),
            "each larger than the one before",
        ),
        (begin().buckets([1.0, f64::INFINITY]), "finite bounds"),
        (begin().buckets([f64::NAN, 1.0]), "do not rise"),
    ] {
        let error = builder
            .register(telemetry.registry())
            .unwrap_err()
            .to_string();
        assert!(error.contains(advice), "{error}");
    }
    let metrics = begin().register(telemetry.registry()).unwrap();
    assert!(metrics.endpoint(Some("/it")).is_some());
}

/// A state that counts its clones.
struct Counting(Arc<AtomicUsize>);

impl Clone for Counting {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Relaxed);
        Self(self.0.clone())
    }
}

/// How often one request clones what is inside the layer.
async fn clones(layer: impl Fn(Router) -> Router) -> usize {
    let clones = Arc::new(AtomicUsize::new(0));
    let app = Router::new()
        .route("/it", get(|State(_): State<Counting>| async {}))
        .with_state(Counting(clones.clone()));
    let app = layer(app);
    let mut before = 0;
    // The first requests fill what is kept for each thread.
    for _ in 0..3 {
        before = clones.load(Relaxed);
        let request = Request::get("/it").body(axum::body::Body::empty());
        app.clone().oneshot(request.unwrap()).await.unwrap();
    }
    clones.load(Relaxed) - before
}

#[tokio::test]
async fn a_request_clones_what_is_inside_once_less_than_under_an_empty_layer() {
    let telemetry = Telemetry::builder("shop").build().unwrap();
    let empty = clones(|app| {
        app.layer(MapRequestLayer::new(|request: axum::extract::Request| {
            request
        }))
    });
    let layered = clones(|app| app.layer(telemetry.layer().without_access_lines()));
    assert_eq!(layered.await + 1, empty.await);
}

#[tokio::test]
async fn a_service_that_works_in_its_call_works_in_the_span() {
    let mut shop = Shop::open();
    let layer = shop.telemetry.layer();
    // No future yet: this runs while the service is called.
    let inner = service_fn(|_: Request<()>| {
        let ids = llasta_telemetry::context::ids();
        std::future::ready(Ok::<_, std::convert::Infallible>(Response::new(
            axum::body::Body::from(ids.span_id.to_string()),
        )))
    });
    let response = layer.layer(inner).oneshot(Request::new(())).await.unwrap();
    let seen = body_text(response.into_body()).await.unwrap();
    let settled = shop
        .settled(None, llasta_telemetry::schema::labels::Outcome::Success)
        .await;
    assert_eq!(seen, settled.span.span_id());
    shop.close().await;
}

#[tokio::test]
async fn the_caller_s_baggage_is_on_every_span_and_in_the_access_line_as_far_as_it_is_listed() {
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        let telemetry = shop.telemetry.clone();
        let app = Router::new().route(
            "/it",
            get(move || async move {
                BuildContext::start_in(&telemetry, 1, 1).finish(1, 1);
                "done"
            }),
        );
        let mut client = shop.client(protocol, app).await;
        let request = Request::get("/it")
            .header("baggage", "session.id=s%2017,other=secret")
            .header("baggage", "gen_ai.conversation.id=c-1");
        let answer = client.send(request).await.unwrap();
        body_text(answer.into_body()).await.unwrap();
        let spans = shop.collector.take(2).await;
        for span in &spans {
            assert_eq!(span.get("session.id"), "s 17", "{}", span.name());
            assert_eq!(span.get("gen_ai.conversation.id"), "c-1");
            assert!(span.get("other").is_null());
        }
        let line = shop.lines.next().await;
        assert_eq!(line["session.id"], "s 17");
        assert_eq!(line["gen_ai.conversation.id"], "c-1");
        assert!(line["other"].is_null());
    }
}

#[tokio::test]
async fn several_headers_of_trace_state_are_one_list() {
    let shop = Shop::open();
    let app = Router::new().route(
        "/it",
        get(|| async {
            use llasta_telemetry::opentelemetry::{Context, trace::TraceContextExt};
            Context::map_current(|context| context.span().span_context().trace_state().header())
        }),
    );
    let mut client = shop.client(Protocol::Http1, app).await;
    let request = Request::get("/it")
        .header(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        .header("tracestate", "a=1")
        .header("tracestate", "b=2");
    let answer = client.send(request).await.unwrap();
    assert_eq!(body_text(answer.into_body()).await.unwrap(), "a=1,b=2");
}
