//! The tower layer.

use std::rc::Rc;

use llasta_telemetry::Sampler;
use llasta_telemetry::metrics::Format;

use super::Observed;
use crate::exercise::{NoopLayer, Proof, Server, chat_router};
use crate::measure::{Group::Server as SERVER, Variant};

pub(super) fn variants() -> Vec<Variant> {
    let on = Sampler::default();
    vec![
        Variant::new(SERVER, "bare router", || {
            Server::new(chat_router(), Proof::none())
        }),
        Variant::new(SERVER, "empty layer", || {
            Server::new(chat_router().layer(NoopLayer), Proof::none())
        }),
        Variant::new(SERVER, "SDK: traces + metrics + access line", move || {
            instrumented(on, true)
        }),
        Variant::new(SERVER, "SDK: traces + metrics", move || {
            instrumented(on, false)
        }),
        Variant::new(
            SERVER,
            "SDK: traces + metrics, incoming traceparent",
            move || instrumented(on, false).with_traceparent(),
        ),
        Variant::new(SERVER, "SDK: traces + metrics, unsampled", || {
            instrumented(Sampler::AlwaysOff, false)
        }),
    ]
}

fn instrumented(sampler: Sampler, lines: bool) -> Server {
    let observed = Rc::new(Observed::new(sampler));
    let mut layer = observed.telemetry.layer();
    if !lines {
        layer = layer.without_access_lines();
    }
    let settled = observed.clone();
    let proof = Proof::new(
        move || settled.flush(),
        move |requests| {
            let spans = if sampler == Sampler::AlwaysOff {
                0
            } else {
                requests
            };
            observed.verify(spans, if lines { requests } else { 0 });
            let page = observed.telemetry.registry().render(Format::Text);
            for line in [
                format!(
                    "bench_requests_total{{endpoint=\"/api/chat\",status=\"success\"}} {requests}\n"
                ),
                format!(
                    "bench_request_duration_seconds_count{{endpoint=\"/api/chat\"}} {requests}\n"
                ),
                "bench_requests_in_flight{endpoint=\"/api/chat\"} 0\n".to_owned(),
            ] {
                assert!(page.contains(&line), "the page has no `{line}`");
            }
        },
    );
    Server::new(chat_router().layer(layer), proof)
}
