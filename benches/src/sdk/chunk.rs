//! The instrument for streamed chat completions.

use std::rc::Rc;

use llasta_telemetry::Sampler;
use llasta_telemetry::llm::{ChatCall, ChatRequest, InstrumentLlm};
use llasta_telemetry::schema::chatbot::ChatbotMetrics;

use super::Observed;
use crate::exercise::{Chunks, Proof, chunk};
use crate::measure::{Group, Subject, Variant};

pub(super) fn variants() -> Vec<Variant> {
    vec![
        Variant::new(Group::Chunk, "bare stream", || {
            Chunks::new(|tokens| tokens, Proof::none())
        }),
        Variant::new(Group::Chunk, "SDK: instrument_llm", || {
            instrumented(Sampler::default())
        }),
        Variant::new(Group::Chunk, "SDK: instrument_llm, unsampled", || {
            instrumented(Sampler::AlwaysOff)
        }),
    ]
}

fn instrumented(sampler: Sampler) -> impl Subject {
    let observed = Rc::new(Observed::new(sampler));
    let metrics = ChatbotMetrics::register(observed.telemetry.registry()).llm("bench");
    let call = ChatCall::start_in(
        &observed.telemetry,
        ChatRequest {
            model: "bench",
            messages: 1,
            size: 83,
            stream: true,
            temperature: None,
            max_tokens: None,
        },
        Some(metrics.clone()),
    );
    let settled = observed.clone();
    let proof = Proof::new(
        move || settled.flush(),
        move |tokens| {
            let sampled = sampler != Sampler::AlwaysOff;
            observed.verify(if sampled { 2 } else { 0 }, 0);
            let expected = if sampled {
                chunk::characters(tokens)
            } else {
                0
            };
            assert_eq!(observed.characters(), expected, "characters");
            assert_eq!(metrics.requests[0].value(), 1, "requests with success");
            assert_eq!(metrics.time_to_first_token.count(), 1, "first tokens");
        },
    );
    Chunks::new(|tokens| tokens.instrument_llm(call), proof)
}
