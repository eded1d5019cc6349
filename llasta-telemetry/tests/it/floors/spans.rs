//! What a typed span says, and when it ends.

use std::borrow::Cow;
use std::sync::Arc;

use llasta_telemetry::Names;
use llasta_telemetry::opentelemetry::trace::{Status, TraceContextExt};
use llasta_telemetry::opentelemetry::{Context, KeyValue};
use llasta_telemetry::schema::faiss::IndexSearch;
use llasta_telemetry::schema::{llm, rag, response};
use llasta_telemetry::testing::{AttributeValue, CapturedSpan, Recorder};

fn record(names: Names, work: impl FnOnce(&Recorder)) -> CapturedSpan {
    let seen = Recorder::builder("shop").names(names).build();
    work(&seen);
    let mut spans = seen.spans();
    assert_eq!(spans.len(), 1);
    spans.remove(0)
}

fn keys(span: &CapturedSpan) -> Vec<&str> {
    span.attributes.keys().map(String::as_str).collect()
}

fn generate(seen: &Recorder) {
    let span = llm::Generate::start_in(seen.telemetry(), "m", 3usize, 2048u64, true);
    span.temperature(0.7f32).finish_reason(String::from("stop"));
}

#[test]
fn both_names_are_written_or_either() {
    let span = record(Names::Llasta, generate);
    assert_eq!(
        keys(&span),
        [
            "llm.finish_reason",
            "llm.messages_count",
            "llm.model",
            "llm.request_size",
            "llm.stream",
            "llm.temperature"
        ]
    );
    let span = record(Names::Otel, generate);
    assert_eq!(
        keys(&span),
        [
            "gen_ai.operation.name",
            "gen_ai.provider.name",
            "gen_ai.request.model",
            "gen_ai.request.stream",
            "gen_ai.request.temperature",
            "gen_ai.response.finish_reasons",
            // What has no other name keeps its own.
            "llm.messages_count",
            "llm.request_size",
        ]
    );
    let reasons = AttributeValue::Strings(vec!["stop".to_owned()]);
    assert_eq!(span.attributes["gen_ai.response.finish_reasons"], reasons);
    assert_eq!(keys(&record(Names::Both, generate)).len(), 12);
}

#[test]
fn what_is_not_streamed_has_no_other_name_for_it() {
    let span = record(Names::Both, |seen| {
        drop(llm::Generate::start_in(seen.telemetry(), "m", 1, 1, false));
    });
    assert_eq!(span.bool("llm.stream"), Some(false));
    assert_eq!(span.bool("gen_ai.request.stream"), None);
}

#[test]
fn an_attribute_that_is_set_again_has_the_last_value() {
    let span = record(Names::Both, |seen| {
        rag::RetrieveContext::start_in(seen.telemetry(), 5, 0.5)
            .score_avg(0.1)
            .score_avg(0.9);
    });
    assert_eq!(span.double("rag.score_avg"), Some(0.9));
}

#[test]
fn what_is_known_at_the_end_is_there_even_when_the_span_is_dropped() {
    let dropped = record(Names::Both, |seen| {
        drop(response::SendToFrontend::start_in(seen.telemetry()));
    });
    assert_eq!(dropped.int("response.size"), Some(0));
    assert_eq!(dropped.bool("response.has_thinking"), Some(false));
    let finished = record(Names::Both, |seen| {
        response::SendToFrontend::start_in(seen.telemetry()).finish(7, 5, true);
    });
    assert_eq!(finished.int("response.size"), Some(7));
    assert_eq!(finished.bool("response.has_thinking"), Some(true));
}

#[test]
fn texts_come_in_whatever_they_are_held() {
    let owned = String::from("cpu");
    let spans = [
        record(Names::Llasta, |seen| {
            drop(IndexSearch::start_in(
                seen.telemetry(),
                1,
                1,
                "Flat",
                &owned,
            ));
        }),
        record(Names::Llasta, |seen| {
            let flat = String::from("Flat");
            drop(IndexSearch::start_in(
                seen.telemetry(),
                1,
                1,
                flat,
                Arc::<str>::from("cpu"),
            ));
        }),
        record(Names::Llasta, |seen| {
            let (flat, cpu) = (Arc::<str>::from("Flat"), Cow::Borrowed("cpu"));
            drop(IndexSearch::start_in(seen.telemetry(), 1, 1, &flat, cpu));
        }),
    ];
    for span in spans {
        assert_eq!(span.text("faiss.index_type"), Some("Flat"));
        assert_eq!(span.text("faiss.device"), Some("cpu"));
    }
}

#[test]
fn a_number_that_is_too_large_is_the_largest() {
    let span = record(Names::Llasta, |seen| {
        drop(rag::RetrieveContext::start_in(
            seen.telemetry(),
            u64::MAX,
            0.5,
        ));
    });
    assert_eq!(span.int("rag.top_k"), Some(i64::MAX));
}

#[test]
fn a_failure_says_its_kind_and_at_most_a_hundred_characters() {
    let span = record(Names::Both, |seen| {
        let error = std::io::Error::other("é".repeat(300));
        rag::RetrieveContext::start_in(seen.telemetry(), 5, 0.5).fail_with(&error);
    });
    assert_eq!(span.status, "error");
    assert_eq!(span.text("error.type"), Some("Error"));
    assert_eq!(span.text("error.message"), Some("é".repeat(100).as_str()));
    let span = record(Names::Both, |seen| {
        rag::RetrieveContext::start_in(seen.telemetry(), 5, 0.5).fail("timeout", "");
    });
    assert_eq!(
        (span.text("error.type"), span.text("error.message")),
        (Some("timeout"), None)
    );
}

#[test]
fn it_is_an_opentelemetry_span_to_everybody_else() {
    let span = record(Names::Llasta, |seen| {
        rag::RetrieveContext::start_in(seen.telemetry(), 5, 0.5).in_scope(|| {
            let context = Context::current();
            let span = context.span();
            assert!(span.is_recording());
            span.set_attribute(KeyValue::new("tenant.id", 7));
            span.set_status(Status::Ok);
            span.set_status(Status::error("too late: ok is final"));
            span.update_name("renamed");
        });
    });
    assert_eq!(span.int("tenant.id"), Some(7));
    assert_eq!((span.name.as_str(), span.status), ("renamed", "ok"));
}

#[test]
fn beyond_the_limit_attributes_are_left_out() {
    let span = record(Names::Llasta, |seen| {
        rag::RetrieveContext::start_in(seen.telemetry(), 5, 0.5).in_scope(|| {
            for index in 0..200 {
                let name = format!("tenant.{index}");
                Context::current()
                    .span()
                    .set_attribute(KeyValue::new(name, index));
            }
        });
    });
    assert_eq!(span.attributes.len(), 128);
}
