//! The reports of `llasta check`, for people and for CI systems.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Checking, Ended, post_otlp};

/// Two services with a mistake each, and one that both make.
fn request() -> Value {
    let group = |service: &str, spans: Value| {
        json!({
            "resource": {"attributes": [
                {"key": "service.name", "value": {"stringValue": service}},
                {"key": "service.version", "value": {"stringValue": "1"}},
                {"key": "service.instance.id", "value": {"stringValue": "1"}}
            ]},
            "scopeSpans": [{"spans": spans}]
        })
    };
    let span = |id: &str, name: &str, kind: i64, attributes: Value| {
        json!({
            "traceId": "5b8efff798038103d269b633813fc60c", "spanId": id, "name": name, "kind": kind,
            "startTimeUnixNano": "1000000000", "endTimeUnixNano": "2000000000",
            "attributes": attributes
        })
    };
    let min_score = json!({"key": "rag.min_score", "value": {"doubleValue": 0.5}});
    let wrong = json!({"key": "rag.top_k", "value": {"stringValue": "<5> & \u{1}\"more\""}});
    json!({"resourceSpans": [
        group("chatbot-rag", json!([
            span("0000000000000001", "rag.retrieve_context", 1, json!([wrong, min_score])),
            span("0000000000000002", "rag.invented", 1, json!([]))
        ])),
        group("faiss-wrap", json!([span("0000000000000003", "rag.invented", 1, json!([]))]))
    ]})
}

async fn checked(arguments: &[&str]) -> Ended {
    let mut all = vec![
        "--until-spans",
        "3",
        "--only",
        "type_mismatch,undeclared_span",
    ];
    all.extend(arguments);
    let check = Checking::start(&all).await;
    post_otlp(&check.endpoint, "/v1/traces", &request()).await;
    check.ended().await
}

#[tokio::test]
async fn the_text_groups_by_service_and_ends_with_the_verdict() {
    let ended = checked(&[]).await.expect(1);
    let text = &ended.stdout;
    assert!(text.starts_with("Seen in "), "{text}");
    assert!(
        text.contains("\n  spans        2 of chatbot-rag, 1 of faiss-wrap\n"),
        "{text}"
    );
    let at = |part: &str| {
        text.find(part)
            .unwrap_or_else(|| panic!("no {part:?}: {text}"))
    };
    let own = at("\nchatbot-rag\n");
    let both = at("\nchatbot-rag, faiss-wrap\n");
    let mismatch = at("  violation span `rag.retrieve_context` (type_mismatch)\n");
    let undeclared = at("  violation span `rag.invented` (undeclared_span)\n");
    assert!(
        own < mismatch && mismatch < both && both < undeclared,
        "{text}"
    );
    assert!(
        text.contains("\nFailed: 2 violations, 0 improvements, 0 information.\n"),
        "{text}"
    );
}

#[tokio::test]
async fn nothing_to_find_is_one_line() {
    let ended = checked(&[
        "--only",
        "wrong_kind",
        "--ignore",
        "type_mismatch,undeclared_span",
    ])
    .await;
    let ended = ended.expect(0);
    assert!(
        ended.stdout.ends_with("\nPassed: 0 findings.\n"),
        "{}",
        ended.stdout
    );
}

#[tokio::test]
async fn junit_has_a_suite_of_each_signal_and_a_case_of_each_thing() {
    let ended = checked(&["--format", "junit"]).await.expect(1);
    let xml = &ended.stdout;
    assert!(
        xml.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites "),
        "{xml}"
    );
    for part in [
        r#"<testsuites name="llasta check" tests="4" failures="2" time=""#,
        r#"<testsuite name="span" tests="2" failures="2" errors="0" skipped="0">"#,
        r#"<testcase classname="conformance.span" name="rag.invented">"#,
        r#"<failure message=""#,
        r#"type="type_mismatch">"#,
        r#"<testsuite name="resource" tests="2" failures="0" errors="0" skipped="0">"#,
        r#"<testcase classname="conformance.resource" name="faiss-wrap"/>"#,
    ] {
        assert!(xml.contains(part), "no {part}: {xml}");
    }
    // The same as a document: well-formed, and nothing in it that XML cannot hold.
    assert!(!xml.contains('\u{1}'));
    let mut reader = quick_xml::Reader::from_str(xml);
    reader.config_mut().check_end_names = true;
    let mut open = 0;
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Start(_) => open += 1,
            quick_xml::events::Event::End(_) => open -= 1,
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(open, 0);
}

#[tokio::test]
async fn junit_has_no_failure_below_fail_on() {
    let ended = checked(&["--format", "junit", "--fail-on", "never"])
        .await
        .expect(0);
    assert!(ended.stdout.contains("failures=\"0\""), "{}", ended.stdout);
    assert!(!ended.stdout.contains("<failure"), "{}", ended.stdout);
    assert!(ended.stdout.contains("<system-out>"), "{}", ended.stdout);
}

#[tokio::test]
async fn the_report_goes_to_a_file_and_the_verdict_to_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let path = file.to_str().unwrap();
    let ended = checked(&["--format", "json", "--output", path])
        .await
        .expect(1);
    assert_eq!(ended.stdout, "");
    ended.complains(&["Failed: 2 violations"]);
    let report: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(report["verdict"]["fail_on"], "violation");
    let first = &report["findings"][0];
    for field in [
        "id", "level", "signal", "name", "message", "advice", "services",
    ] {
        assert!(!first[field].is_null(), "{field}: {first}");
    }
    let ended = checked(&["--output", "/nowhere/report"]).await.expect(1);
    ended.complains(&["/nowhere/report could not be written"]);
}
