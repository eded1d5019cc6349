//! A typed span: start, four attributes, end.

use std::hint::black_box;
use std::rc::Rc;

use llasta_telemetry::schema::rag::BuildContext;
use llasta_telemetry::{Sampler, Telemetry};

use super::Observed;
use crate::exercise::Repeat;
use crate::measure::{Group, Variant};

pub(super) fn variants() -> Vec<Variant> {
    vec![
        Variant::new(Group::Span, "SDK: typed span", || typed(Sampler::default())),
        Variant::new(Group::Span, "SDK: typed span, unsampled", || {
            typed(Sampler::AlwaysOff)
        }),
    ]
}

fn typed(sampler: Sampler) -> Repeat {
    let observed = Rc::new(Observed::new(sampler));
    let telemetry = Telemetry::clone(&observed.telemetry);
    Repeat::new(
        move |count| {
            for number in 0..count {
                let span = BuildContext::start_in(&telemetry, black_box(number), black_box(4000));
                span.finish(black_box(3), black_box(1830));
            }
        },
        observed.proof_of_spans(sampler),
    )
}
