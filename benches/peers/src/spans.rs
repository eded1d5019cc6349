//! The same span by other means: start, four attributes, end.

use std::hint::black_box;

use llasta_benches::exercise::{Proof, Repeat};
use llasta_benches::measure::{Group, Variant};
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::sink::v033::Traces;

pub(crate) fn variants() -> Vec<Variant> {
    let mut variants = Vec::new();
    for (ending, sampled) in [("", true), (", unsampled", false)] {
        variants.push(Variant::new(
            Group::Span,
            format!("opentelemetry_sdk span{ending}"),
            move || sdk(sampled),
        ));
        variants.push(Variant::new(
            Group::Span,
            format!("tracing span + tracing-opentelemetry{ending}"),
            move || tracing_span(sampled),
        ));
    }
    variants
}

fn proof(traces: Traces, sampled: bool) -> Proof {
    let settled = traces.clone();
    Proof::new(
        move || settled.flush(),
        move |spans| assert_eq!(traces.seen().count, if sampled { spans } else { 0 }),
    )
}

fn sdk(sampled: bool) -> Repeat {
    let traces = Traces::install(sampled);
    let tracer = traces.provider.tracer("bench");
    Repeat::new(
        move |count| {
            for number in 0..count {
                let mut span = tracer.start("rag.build_context");
                span.set_attribute(KeyValue::new("rag.input_chunks", black_box(number as i64)));
                span.set_attribute(KeyValue::new("rag.limit_chars", black_box(4000)));
                span.set_attribute(KeyValue::new("rag.chunks_sent", black_box(3)));
                span.set_attribute(KeyValue::new("rag.context_chars", black_box(1830)));
                span.end();
            }
        },
        proof(traces, sampled),
    )
}

fn tracing_span(sampled: bool) -> Repeat {
    let traces = Traces::install(sampled);
    tracing_subscriber::registry()
        .with(
            tracing_opentelemetry::layer()
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_tracer(traces.provider.tracer("bench")),
        )
        .init();
    Repeat::new(
        move |count| {
            for number in 0..count {
                let span = tracing::info_span!(
                    "rag.build_context",
                    rag.input_chunks = black_box(number as i64),
                    rag.limit_chars = black_box(4000),
                    rag.chunks_sent = tracing::field::Empty,
                    rag.context_chars = tracing::field::Empty,
                );
                span.record("rag.chunks_sent", black_box(3));
                span.record("rag.context_chars", black_box(1830));
            }
        },
        proof(traces, sampled),
    )
}
