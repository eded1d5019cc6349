//! reqwest-tracing, on the newest OpenTelemetry it knows.

use std::rc::Rc;

use llasta_benches::exercise::{Client, Proof};
use llasta_benches::measure::{Group, Variant};
use opentelemetry_032::trace::TracerProvider;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_tracing::TracingMiddleware;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::sink::v032;

pub(crate) fn variants() -> Vec<Variant> {
    vec![
        Variant::new(Group::Client, "bare reqwest-middleware", || {
            let client = ClientBuilder::new(reqwest::Client::new()).build();
            Client::new(client, false, Proof::none())
        }),
        Variant::new(Group::Client, "reqwest-tracing", || instrumented(true)),
        Variant::new(Group::Client, "reqwest-tracing, unsampled", || {
            instrumented(false)
        }),
    ]
}

fn instrumented(sampled: bool) -> Client {
    let (client, traces) = install(sampled);
    let traces = Rc::new(traces);
    let settled = traces.clone();
    let proof = Proof::new(
        move || settled.flush(),
        move |requests| {
            let expected = if sampled { requests } else { 0 };
            assert_eq!(traces.seen().count, expected, "spans");
        },
    );
    Client::new(client, true, proof)
}

/// A client with the middleware, and where its spans go.
pub(crate) fn install(sampled: bool) -> (ClientWithMiddleware, v032::Traces) {
    let traces = v032::Traces::install(sampled);
    tracing_subscriber::registry()
        .with(EnvFilter::new("info"))
        .with(tracing_opentelemetry_033::layer().with_tracer(traces.provider.tracer("bench")))
        .init();
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(TracingMiddleware::default())
        .build();
    (client, traces)
}
