//! Chats that do not come to their end, and chats among other spans.

use llasta_telemetry::Names;
use llasta_telemetry::testing::AttributeValue::Int;
use llasta_telemetry::testing::conform::{Finding, FindingId, Level};
use llasta_telemetry::testing::{CapturedSpan, Evidence};

use super::chat_trace::{chat_trace, find};
use super::check::{check, one, text};

/// The findings of a chat after something was done to its spans.
fn chat(change: impl FnOnce(&mut Vec<CapturedSpan>)) -> Vec<Finding> {
    let mut spans = chat_trace(Names::Both);
    change(&mut spans);
    check(&Evidence::new().spans(spans))
}

fn fail(spans: &mut [CapturedSpan], name: &str, kind: &str, code: Option<i64>) {
    let span = find(spans, name, kind);
    span.status = "error";
    let word = code.map_or("down".to_owned(), |code| code.to_string());
    span.attributes.insert("error.type".to_owned(), text(&word));
    match code {
        Some(code) => drop(
            span.attributes
                .insert("http.response.status_code".to_owned(), Int(code)),
        ),
        None => drop(span.attributes.remove("http.response.status_code")),
    }
}

fn without(spans: &mut Vec<CapturedSpan>, names: &[&str]) {
    spans.retain(|span| !names.contains(&span.name.as_str()));
}

const INDEX: [&str; 3] = ["faiss.search", "faiss.embed_query", "faiss.index_search"];

#[test]
fn what_a_failure_keeps_from_happening_is_not_missed() {
    assert_eq!(chat(|_| ()), []);
    // Nobody answers the search.
    let down = |spans: &mut Vec<CapturedSpan>| {
        fail(spans, "POST /search", "CLIENT", None);
        without(spans, &INDEX);
        spans.retain(|span| span.name != "POST /search" || span.kind == "CLIENT");
        // It is up enough to have said something else.
        let mut other = elsewhere(spans[0].clone());
        other.service = "faiss-wrap".to_owned();
        spans.push(other);
    };
    assert_eq!(chat(down), []);
    // It answers that it cannot.
    let failing = |spans: &mut Vec<CapturedSpan>| {
        fail(spans, "POST /search", "CLIENT", Some(500));
        fail(spans, "POST /search", "SERVER", Some(500));
        without(spans, &INDEX);
    };
    assert_eq!(chat(failing), []);
    // The LLM is down.
    let mute = |spans: &mut Vec<CapturedSpan>| {
        fail(spans, "POST /v1/chat/completions", "CLIENT", None);
        fail(spans, "vllm.generate", "INTERNAL", None);
        find(spans, "vllm.generate", "INTERNAL")
            .attributes
            .remove("http.response.status_code");
        without(spans, &["vllm.response"]);
    };
    assert_eq!(chat(mute), []);
    // The question was refused.
    let refused = |spans: &mut Vec<CapturedSpan>| {
        spans.retain(|span| span.name == "POST /api/chat");
        spans[0]
            .attributes
            .insert("http.response.status_code".to_owned(), Int(422));
    };
    assert_eq!(chat(refused), []);
}

/// Some work in a trace of its own.
fn elsewhere(mut span: CapturedSpan) -> CapturedSpan {
    span.name = "startup".to_owned();
    span.kind = "INTERNAL";
    span.trace_id = "0000000000000000000000000000000d".to_owned();
    span.parent_span_id = None;
    span.attributes.clear();
    span
}

#[test]
fn what_a_failure_does_not_keep_from_happening_is_missed() {
    // faiss-wrap has answered, so it has worked.
    let silent = chat(|spans| without(spans, &["faiss.index_search"]));
    one(
        &silent,
        Level::Violation,
        FindingId::MissingSpan,
        "faiss.index_search",
    );
    // A streamed answer that fails says so in an event.
    let unsent = chat(|spans| {
        fail(spans, "vllm.generate", "INTERNAL", None);
        without(spans, &["response.send_to_frontend"]);
    });
    one(
        &unsent,
        Level::Violation,
        FindingId::MissingSpan,
        "response.send_to_frontend",
    );
    // A search that fails does not keep the context from being built.
    let unbuilt = chat(|spans| {
        fail(spans, "rag.retrieve_context", "INTERNAL", None);
        without(spans, &["rag.build_context"]);
    });
    one(
        &unbuilt,
        Level::Violation,
        FindingId::MissingSpan,
        "rag.build_context",
    );
    // A refusal comes first: then nothing else is there.
    let half = chat(|spans| {
        find(spans, "POST /api/chat", "SERVER")
            .attributes
            .insert("http.response.status_code".to_owned(), Int(422));
        without(spans, &["rag.retrieve_context"]);
    });
    assert!(
        half.iter()
            .any(|finding| finding.id == FindingId::MissingSpan
                && finding.name == "rag.retrieve_context"),
        "{half:?}"
    );
}

#[test]
fn several_chats_may_share_the_trace_of_whoever_asks() {
    let spans = chat_trace(Names::Both);
    let mut all = Vec::new();
    for chat in 0..2 {
        for mut span in spans.clone() {
            let other = |id: &str| format!("{chat}{}", &id[1..]);
            span.span_id = other(&span.span_id);
            let parent = span.parent_span_id.map(|parent| other(&parent));
            span.parent_span_id = Some(parent.unwrap_or("00000000000000aa".to_owned()));
            all.push(span);
        }
    }
    let mut asks = elsewhere(spans[0].clone());
    asks.name = "evaluate".to_owned();
    asks.service = "evaluation".to_owned();
    asks.kind = "CLIENT";
    asks.trace_id.clone_from(&spans[0].trace_id);
    asks.span_id = "00000000000000aa".to_owned();
    all.push(asks);
    assert_eq!(check(&Evidence::new().spans(all.clone())), []);
    let gone = all
        .iter()
        .position(|span| span.name == "vllm.response")
        .unwrap();
    all.remove(gone);
    let findings = check(&Evidence::new().spans(all));
    one(
        &findings,
        Level::Violation,
        FindingId::MissingSpan,
        "vllm.response",
    );
}

#[test]
fn a_span_of_another_schema_may_stand_in_a_chat() {
    let with = |name: &str| {
        chat(|spans| {
            let mut more = find(spans, "rag.build_context", "INTERNAL").clone();
            more.name = name.to_owned();
            more.span_id = "00000000000000ee".to_owned();
            more.attributes.clear();
            more.attributes.insert("shop.items".to_owned(), Int(3));
            spans.push(more);
        })
    };
    assert_eq!(with("shop.checkout"), []);
    assert!(
        with("rerank")
            .iter()
            .any(|finding| finding.id == FindingId::UnexpectedSpan)
    );
}
