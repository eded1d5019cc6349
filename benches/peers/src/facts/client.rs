//! One client middleware.

use llasta_telemetry::client::TelemetryMiddleware;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};

use super::sdk::Sdk;
use super::stream::Streaming;
use super::{ending, milliseconds, open_telemetry};
use crate::sink::{SpanSeen, SpansSeen};

pub(super) const SUBJECTS: [&str; 2] = ["reqwest-tracing", "SDK, client"];

pub(super) fn row(subject: &str) -> Vec<String> {
    if subject == "reqwest-tracing" {
        let (client, traces) = crate::client::install(true);
        facts(subject, &client, || traces.seen())
    } else {
        let sdk = Sdk::install();
        let client = ClientBuilder::new(reqwest::Client::new())
            .with(TelemetryMiddleware::recorded_by(&sdk.telemetry))
            .build();
        facts("llasta-telemetry", &client, || sdk.spans())
    }
}

fn facts(
    package: &str,
    client: &ClientWithMiddleware,
    seen: impl Fn() -> SpansSeen,
) -> Vec<String> {
    let mut server = Streaming::start(|router| router);
    let address = server.address;
    server.runtime.block_on(async {
        let response = client.get(format!("http://{address}/stream")).send().await;
        let body = response.expect("an answer").bytes().await;
        assert!(body.is_ok_and(|body| !body.is_empty()));
    });
    server.wait_for_the_end();
    let streamed = seen();
    server.runtime.block_on(async {
        let response = client.get(format!("http://{address}/endless")).send().await;
        let mut response = response.expect("an answer");
        assert!(response.chunk().await.is_ok_and(|chunk| chunk.is_some()));
    });
    server.wait_for_the_end();
    let dropped = seen();
    assert_eq!((streamed.count, dropped.count), (1, 2), "spans");
    let span = |spans: &SpansSeen, show: fn(&SpanSeen) -> String| {
        spans.last.as_ref().map_or("none".to_owned(), show)
    };
    vec![
        open_telemetry(package),
        span(&streamed, |span| milliseconds(span.lasted.as_secs_f64())),
        span(&dropped, ending),
    ]
}
