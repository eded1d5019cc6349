//! One server layer.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stream::Streaming;
use super::{ending, milliseconds, open_telemetry};
use crate::sink::MetricSeen;
use crate::stack::{Reported, Stack};

/// The trace of every request.
const CALLER: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What it reported, in the order that the tables count on.
pub(super) fn row(subject: &str, stack: &dyn Stack) -> Vec<String> {
    let mut server = Streaming::start(|router| stack.around(router));

    let mut connection = ask(&server, "/stream");
    server.runtime.block_on(async {
        let mut all = Vec::new();
        connection.read_to_end(&mut all).await.expect("an answer");
    });
    server.wait_for_the_end();
    let streamed = stack.reported();

    let mut connection = ask(&server, "/endless");
    server.runtime.block_on(async {
        let mut some = Vec::new();
        while !some.windows(5).any(|bytes| bytes == b"data:") {
            connection
                .read_buf(&mut some)
                .await
                .expect("the head and an event");
        }
    });
    let streaming = stack.reported();
    drop(connection);
    server.wait_for_the_end();
    let mid_stream = stack.reported();

    let connection = ask(&server, "/headless");
    server.wait_for_the_start();
    drop(connection);
    server.wait_for_the_end();
    let headless = stack.reported();

    vec![
        open_telemetry(package(subject)),
        streamed.spans.as_ref().map_or_else(none, |spans| {
            let span = spans.last.as_ref();
            span.map_or_else(none, |span| milliseconds(span.lasted.as_secs_f64()))
        }),
        of(&streamed, streamed.duration, |metric| {
            milliseconds(metric.sum)
        }),
        of(&streaming, streaming.in_flight, |metric| {
            format!("{:.0}", metric.sum)
        }),
        first_byte(&headless),
        headless.metrics.as_ref().map_or_else(none, |metrics| {
            let exemplars: usize = metrics.values().map(|metric| metric.exemplars).sum();
            exemplars.to_string()
        }),
        last_span(&streamed, &mid_stream),
        last_span(&mid_stream, &headless),
        of(&headless, headless.in_flight, |metric| {
            format!("{:.0}", metric.sum)
        }),
        of(&headless, headless.duration, |metric| {
            metric.count.to_string()
        }),
        streamed.spans.as_ref().map_or_else(none, |spans| {
            let continued = spans.last.as_ref().map(|span| span.trace == CALLER);
            continued.map_or_else(none, |yes| if yes { "yes" } else { "no" }.to_owned())
        }),
    ]
}

fn none() -> String {
    "none".to_owned()
}

fn ask(server: &Streaming, path: &str) -> TcpStream {
    server.runtime.block_on(async {
        let mut connection = TcpStream::connect(server.address)
            .await
            .expect("the server listens");
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             traceparent: 00-{CALLER}-00f067aa0ba902b7-01\r\n\r\n"
        );
        connection
            .write_all(request.as_bytes())
            .await
            .expect("the server reads");
        connection
    })
}

/// The package whose dependency on OpenTelemetry counts.
fn package(subject: &str) -> &str {
    if subject == "assembled stack" {
        "axum-tracing-opentelemetry"
    } else if subject.ends_with("+ tracing-opentelemetry") {
        "tracing-opentelemetry"
    } else {
        subject.split([',', ' ']).next().unwrap_or(subject)
    }
}

fn of(reported: &Reported, name: &str, show: impl Fn(&MetricSeen) -> String) -> String {
    let metrics = reported.metrics.as_ref();
    let metric = metrics.and_then(|metrics| metrics.get(name));
    metric.map_or_else(none, show)
}

/// The one span that came in between.
fn last_span(before: &Reported, after: &Reported) -> String {
    match (&before.spans, &after.spans) {
        (Some(before), Some(after)) if after.count == before.count + 1 => {
            after.last.as_ref().map_or_else(none, ending)
        }
        _ => none(),
    }
}

/// Any name that says when the first byte or token went out.
fn first_byte(reported: &Reported) -> String {
    let metrics = reported.metrics.iter().flat_map(|metrics| metrics.keys());
    let spans = reported
        .spans
        .iter()
        .filter_map(|spans| spans.last.as_ref());
    let attributes = spans.flat_map(|span| span.attributes.keys());
    let mut names = metrics.chain(attributes);
    names
        .find(|name| name.contains("first"))
        .map_or_else(none, |name| format!("`{name}`"))
}
