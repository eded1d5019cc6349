//! The reqwest middleware.

use std::rc::Rc;

use llasta_telemetry::Sampler;
use llasta_telemetry::client::{TelemetryMiddleware, UrlTemplate};
use reqwest_middleware::ClientBuilder;

use super::Observed;
use crate::exercise::{Client, Proof};
use crate::measure::{Group::Client as CLIENT, Variant};

pub(super) fn variants() -> Vec<Variant> {
    let on = Sampler::default();
    vec![
        Variant::new(CLIENT, "bare reqwest-middleware", || {
            let client = ClientBuilder::new(reqwest::Client::new()).build();
            Client::new(client, false, Proof::none())
        }),
        Variant::new(CLIENT, "SDK: client span", move || instrumented(on)),
        Variant::new(CLIENT, "SDK: client span with url.template", move || {
            instrumented(on).with(|request| request.with_extension(UrlTemplate("/search")))
        }),
        Variant::new(CLIENT, "SDK: client span, unsampled", || {
            instrumented(Sampler::AlwaysOff)
        }),
    ]
}

fn instrumented(sampler: Sampler) -> Client {
    let observed = Rc::new(Observed::new(sampler));
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(TelemetryMiddleware::recorded_by(&observed.telemetry))
        .build();
    Client::new(client, true, observed.proof_of_spans(sampler))
}
