use llasta_telemetry::Names;
use llasta_telemetry::schema::Schema;
use llasta_telemetry::testing::AttributeValue;
use llasta_telemetry::testing::CapturedSpan;
use llasta_telemetry::testing::conform::{self, Finding, FindingId};

use super::chat_trace::{chat_trace, find};

fn broken(damage: impl FnOnce(&mut Vec<CapturedSpan>)) -> Vec<Finding> {
    let mut spans = chat_trace(Names::Both);
    damage(&mut spans);
    conform::chat_request(&Schema::contract(), &spans)
}

#[track_caller]
fn one(findings: &[Finding], id: FindingId, name: &str) {
    let [finding] = findings else {
        panic!("not one finding: {findings:#?}");
    };
    assert_eq!((finding.id, &*finding.name), (id, name), "{finding}");
}

#[test]
fn a_correct_chat_request_has_twelve_spans_and_no_findings() {
    assert_eq!(chat_trace(Names::Both).len(), 12);
    assert_eq!(broken(|_| ()), []);
    // In any order of arrival.
    assert_eq!(broken(|spans| spans.reverse()), []);
}

#[test]
fn each_of_the_twelve_is_missed() {
    for index in 0..12 {
        let mut missing = (String::new(), "");
        let findings = broken(|spans| {
            let span = spans.remove(index);
            missing = (span.name, span.kind);
        });
        let [finding] = &findings[..] else {
            panic!("not one finding without {missing:?}: {findings:#?}");
        };
        assert_eq!(
            (finding.id, &finding.name),
            (FindingId::MissingSpan, &missing.0)
        );
        assert!(finding.message.contains(missing.1), "{finding}");
    }
}

#[test]
fn without_any_span_all_twelve_are_missed() {
    let findings = broken(Vec::clear);
    assert_eq!(findings.len(), 12);
    assert!(
        findings
            .iter()
            .all(|finding| finding.id == FindingId::MissingSpan)
    );
}

#[test]
fn each_of_the_twelve_is_found_when_its_kind_or_service_is_another() {
    for index in 0..12 {
        let name = chat_trace(Names::Both)[index].name.clone();
        one(
            &broken(|spans| spans[index].kind = "PRODUCER"),
            FindingId::WrongKind,
            &name,
        );
        let another = |spans: &mut Vec<CapturedSpan>| spans[index].service = "another".to_owned();
        one(&broken(another), FindingId::WrongService, &name);
    }
}

#[test]
fn each_of_the_eleven_under_another_is_found_when_it_stands_elsewhere() {
    for index in 0..12 {
        let before = chat_trace(Names::Both)[index].clone();
        if before.parent_span_id.is_none() {
            continue;
        }
        let findings = broken(|spans| {
            // One of the twelve, but neither the parent nor below it.
            let elsewhere = spans
                .iter()
                .find(|other| {
                    Some(&other.span_id) != before.parent_span_id.as_ref()
                        && other.span_id != before.span_id
                        && other.parent_span_id.as_ref() != Some(&before.span_id)
                })
                .map(|other| other.span_id.clone());
            spans[index].parent_span_id = elsewhere;
        });
        one(&findings, FindingId::WrongParent, &before.name);
    }
}

#[test]
fn a_span_that_lost_its_trace_is_missing_from_it() {
    let findings = broken(|spans| {
        let lost = find(spans, "faiss.search", "INTERNAL");
        lost.trace_id = "0000000000000000000000000000000f".to_owned();
        lost.parent_span_id = None;
    });
    one(&findings, FindingId::MissingSpan, "faiss.search");
}

#[test]
fn a_call_without_its_neighbours_name_is_found() {
    for (call, peer) in [
        ("POST /search", "faiss-wrap"),
        ("POST /v1/chat/completions", "vllm"),
    ] {
        let unset = |spans: &mut Vec<CapturedSpan>| {
            find(spans, call, "CLIENT")
                .attributes
                .remove("peer.service");
        };
        one(&broken(unset), FindingId::WrongValue, call);
        let findings = broken(|spans| {
            let wrong = AttributeValue::String("other".into());
            let attributes = &mut find(spans, call, "CLIENT").attributes;
            attributes.insert("peer.service".into(), wrong);
        });
        one(&findings, FindingId::WrongValue, call);
        assert!(findings[0].advice.contains(peer));
    }
}

#[test]
fn a_span_too_many_is_found() {
    let again = |spans: &mut Vec<CapturedSpan>| {
        let mut again = find(spans, "rag.build_context", "INTERNAL").clone();
        again.span_id = "00000000000000ee".to_owned();
        spans.push(again);
    };
    one(
        &broken(again),
        FindingId::UnexpectedSpan,
        "rag.build_context",
    );
    let other = |spans: &mut Vec<CapturedSpan>| {
        let mut other = find(spans, "rag.build_context", "INTERNAL").clone();
        other.span_id = "00000000000000ee".to_owned();
        other.name = "rerank".to_owned();
        spans.push(other);
    };
    one(&broken(other), FindingId::UnexpectedSpan, "rerank");
}

/// An attempt at a call that reached nobody, before the one that did; which says so, as it does when
/// it is `told`.
fn attempt(spans: &mut [CapturedSpan], call: &str, told: bool) -> CapturedSpan {
    let after = find(spans, call, "CLIENT");
    let mut before = after.clone();
    if told {
        let count = AttributeValue::Int(1);
        after
            .attributes
            .insert("http.request.resend_count".into(), count);
    }
    before.span_id = "00000000000000bb".to_owned();
    before.status = "error";
    before.attributes.remove("http.response.status_code");
    let word = AttributeValue::String("connect_error".into());
    before.attributes.insert("error.type".into(), word);
    before
}

#[test]
fn a_call_that_reached_nobody_may_stand_beside_the_one_that_was_sent_again() {
    for call in ["POST /search", "POST /v1/chat/completions"] {
        for first in [true, false] {
            let findings = broken(|spans| {
                let before = attempt(spans, call, true);
                let at = if first { 0 } else { spans.len() };
                spans.insert(at, before);
            });
            assert_eq!(findings, [], "{call}");
        }
        // Nothing says that the call was sent again.
        let untold = broken(|spans| {
            let before = attempt(spans, call, false);
            spans.push(before);
        });
        one(&untold, FindingId::UnexpectedSpan, call);
        // It was answered, and so it may have been carried out twice.
        let answered = broken(|spans| {
            let mut before = attempt(spans, call, true);
            let status = AttributeValue::Int(503);
            before
                .attributes
                .insert("http.response.status_code".into(), status);
            spans.push(before);
        });
        one(&answered, FindingId::UnexpectedSpan, call);
        let elsewhere = broken(|spans| {
            let mut before = attempt(spans, call, true);
            before.parent_span_id = Some(find(spans, "POST /api/chat", "SERVER").span_id.clone());
            spans.push(before);
        });
        one(&elsewhere, FindingId::UnexpectedSpan, call);
    }
}

/// A span of the LLM server's own, under the given one.
fn llm_request(spans: &[CapturedSpan], parent: &str, kind: &str) -> CapturedSpan {
    let mut spans = spans.to_vec();
    let parent = find(&mut spans, parent, kind).clone();
    let mut span = parent.clone();
    span.name = "llm_request".to_owned();
    span.service = "vllm".to_owned();
    span.kind = "SERVER";
    span.span_id = "00000000000000dd".to_owned();
    span.parent_span_id = Some(parent.span_id);
    span.attributes.clear();
    span.resource.clear();
    span
}

#[test]
fn the_llm_servers_own_spans_may_stand_under_the_call_to_it() {
    let findings = broken(|spans| {
        let request = llm_request(spans, "POST /v1/chat/completions", "CLIENT");
        let mut inside = request.clone();
        inside.span_id = "00000000000000cc".to_owned();
        inside.parent_span_id = Some(request.span_id.clone());
        spans.insert(0, inside);
        spans.push(request);
    });
    assert_eq!(findings, []);
    let elsewhere = |spans: &mut Vec<CapturedSpan>| {
        let request = llm_request(spans, "POST /api/chat", "SERVER");
        spans.push(request);
    };
    one(&broken(elsewhere), FindingId::UnexpectedSpan, "llm_request");
    // It is not ours to check: it has no HTTP attributes, and no version of its own.
    let mut spans = chat_trace(Names::Both);
    let request = llm_request(&spans, "POST /v1/chat/completions", "CLIENT");
    spans.push(request);
    assert_eq!(conform::spans(&Schema::contract(), &spans, Names::Both), []);
}

#[test]
fn every_chat_request_is_compared_and_other_traces_are_not() {
    let findings = broken(|spans| {
        let mut second = spans.clone();
        second.retain(|span| span.name != "rag.build_context");
        for span in &mut second {
            span.trace_id = "0000000000000000000000000000000e".to_owned();
        }
        let mut health = spans[0].clone();
        health.trace_id = "0000000000000000000000000000000d".to_owned();
        health.name = "GET /health".to_owned();
        spans.extend(second);
        spans.push(health);
    });
    one(&findings, FindingId::MissingSpan, "rag.build_context");
}
