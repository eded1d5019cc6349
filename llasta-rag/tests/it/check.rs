//! `llasta check`: what it takes in, when it ends, and with which status.

use std::fs;

use axum::Router;
use axum::routing::get;
use llasta_telemetry::testing::{CapturedSpan, OtlpReceiver};
use serde_json::{Value, json};

use crate::support::{Checking, DEADLINE, Llasta, Served, items, nobody, post_otlp, run};

/// A page that one of the services could serve, but for its one line.
const WRONG_PAGE: &str = "# TYPE chatbot_invented_total counter\nchatbot_invented_total 1\n";

/// A request with one span of the contract's, whose `rag.top_k` is this.
fn spans(top_k: &Value) -> Value {
    json!({"resourceSpans": [{
        "resource": {"attributes": [
            {"key": "service.name", "value": {"stringValue": "chatbot-rag"}}
        ]},
        "scopeSpans": [{"spans": [{
            "traceId": "5b8efff798038103d269b633813fc60c",
            "spanId": "eee19b7ec3c1b174",
            "name": "rag.retrieve_context",
            "kind": 1,
            "startTimeUnixNano": "1000000000",
            "endTimeUnixNano": "2000000000",
            "attributes": [
                {"key": "rag.top_k", "value": top_k},
                {"key": "rag.min_score", "value": {"doubleValue": 0.5}}
            ]
        }]}]
    }]})
}

fn wrong() -> Value {
    spans(&json!({"stringValue": "five"}))
}

/// The report, of a check that wrote JSON.
#[track_caller]
fn report(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
}

fn findings<'a>(report: &'a Value, id: &str) -> Vec<&'a Value> {
    let findings = report["findings"].as_array().unwrap();
    findings
        .iter()
        .filter(|finding| finding["id"] == id)
        .collect()
}

#[tokio::test]
async fn the_services_as_they_are_pass_with_everything_that_they_say() {
    let behind = OtlpReceiver::bind("127.0.0.1:0").await.unwrap();
    let endpoint = nobody();
    let data = tempfile::tempdir().unwrap();
    let settings = [
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "10"),
        ("DATA_DIR", data.path().to_str().unwrap()),
    ];
    let mut faiss_wrap = Llasta::serve(&["faiss-wrap"], &settings).await;
    let mut llm = Llasta::serve(&["llm"], &settings).await;
    let neighbours = [
        ("FAISS_WRAP_URL", &*faiss_wrap.url),
        ("VLLM_BASE_URL", &*llm.url),
        ("RAG_MIN_SCORE", "0.1"),
    ];
    let all: Vec<_> = settings.into_iter().chain(neighbours).collect();
    let mut chatbot = Llasta::serve(&["chatbot-rag"], &all).await;

    let log = data.path().join("services.log");
    let pages = [&chatbot, &faiss_wrap, &llm].map(|service| format!("{}/metrics", service.url));
    let check = Checking::start(&[
        "--otlp",
        &endpoint,
        "--metrics",
        &pages[0],
        "--metrics",
        &pages[1],
        "--metrics",
        &format!("vllm={}", pages[2]),
        "--logs",
        log.to_str().unwrap(),
        "--forward",
        &behind.endpoint(),
        "--format",
        "json",
    ])
    .await;
    assert_eq!(check.endpoint, endpoint);
    faiss_wrap
        .post("/upsert", &json!({ "items": items() }))
        .await;
    let question = json!({"messages": [{"role": "user", "content": "On which port does the collector listen?"}]});
    chatbot.post("/api/chat", &question).await;

    // The last span of each request has been passed on, so it has come.
    let ended = |spans: &[CapturedSpan], name| {
        let mut servers = spans.iter().filter(|span| span.kind == "SERVER");
        servers.any(|span| span.name == name)
    };
    let requests = [
        "POST /upsert",
        "POST /api/chat",
        "POST /search",
        "llm_request",
    ];
    let all = |spans: &[CapturedSpan]| requests.iter().all(|name| ended(spans, *name));
    let spans = behind
        .wait_until(|spans| all(spans) && spans.len() >= 14, DEADLINE)
        .await;
    assert_eq!(
        spans.len(),
        14,
        "the tree of a chat request, the LLM server's own span, and the upsert"
    );
    let mut lines = Vec::new();
    for service in [&mut chatbot, &mut faiss_wrap, &mut llm] {
        let access = |line: &Value| line["message"] == "request" && line["method"] == "POST";
        service.line(access).await;
        lines.extend(service.lines());
    }
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(&log, text).unwrap();
    let ended = check.stop().await;
    let report = report(&ended.stdout);
    assert_eq!(report["findings"], json!([]), "{report:#}");
    ended.expect(0);

    let verdict = &report["verdict"];
    assert_eq!(
        (&verdict["passed"], &verdict["violations"]),
        (&json!(true), &json!(0))
    );
    let seen = &report["seen"];
    let count: u64 = seen["spans"]
        .as_object()
        .unwrap()
        .values()
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert_eq!(count, spans.len() as u64);
    let services: Vec<_> = seen["spans"].as_object().unwrap().keys().collect();
    assert_eq!(services, ["chatbot-rag", "faiss-wrap", "vllm"]);
    let pages: Vec<_> = seen["pages"].as_array().unwrap().iter().collect();
    let whose: Vec<_> = pages.iter().map(|page| &page["service"]).collect();
    assert_eq!(whose, ["chatbot-rag", "faiss-wrap", "vllm"]);
    assert!(
        pages.iter().all(|page| page["format"] == "openmetrics"),
        "{pages:#?}"
    );
    assert_eq!(seen["lines"][0]["count"], lines.len());
    assert_eq!(
        report["forward"]["spans"],
        json!({"passed": spans.len(), "failed": 0})
    );
    for service in [chatbot, faiss_wrap, llm] {
        service.stop().await;
    }
}

#[tokio::test]
async fn a_wrong_span_fails_and_each_way_to_end_reports_it() {
    for signal in ["TERM", "INT"] {
        let check = Checking::start(&["--format", "json"]).await;
        post_otlp(&check.endpoint, "/v1/traces", &wrong()).await;
        check.signal(signal).await;
        let ended = check.ended().await.expect(1);
        let report = report(&ended.stdout);
        let found = findings(&report, "type_mismatch");
        assert_eq!(found[0]["name"], "rag.retrieve_context", "{report:#}");
        assert_eq!(found[0]["services"], json!(["chatbot-rag"]));
        assert_eq!(report["verdict"]["passed"], false);
    }
    // As soon as it came, long before the time is up.
    let check = Checking::start(&["--duration", "1h", "--until-spans", "1"]).await;
    post_otlp(&check.endpoint, "/v1/traces", &wrong()).await;
    check.ended().await.expect(1);
    // When the time is up.
    let check = Checking::start(&["--duration", "1ms"]).await;
    check.ended().await.expect(1);
}

#[tokio::test]
async fn the_status_follows_fail_on_and_the_filters() {
    let status = async |arguments: &[&str]| {
        let mut all = vec!["--until-spans", "1", "--format", "json"];
        all.extend(arguments);
        let check = Checking::start(&all).await;
        post_otlp(&check.endpoint, "/v1/traces", &wrong()).await;
        let ended = check.ended().await;
        let report = report(&ended.stdout);
        let ids: Vec<_> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| finding["id"].as_str().unwrap().to_owned())
            .collect();
        (ended.status.code().unwrap(), ids)
    };
    let (code, ids) = status(&["--fail-on", "never"]).await;
    assert_eq!(code, 0);
    assert!(ids.contains(&"type_mismatch".to_owned()), "{ids:?}");
    let (code, ids) = status(&["--only", "type_mismatch,wrong_kind"]).await;
    assert_eq!((code, ids), (1, vec!["type_mismatch".to_owned()]));
    let (code, ids) = status(&["--only", "wrong_kind"]).await;
    assert_eq!((code, ids), (0, vec![]));
    let (code, ids) = status(&[
        "--signal",
        "span",
        "--ignore",
        "type_mismatch,wrong_parent,missing_span,missing_attribute",
    ])
    .await;
    assert_eq!((code, ids), (0, vec![]));
    let (code, ids) = status(&["--signal", "metric,log"]).await;
    assert_eq!((code, ids), (0, vec![]));
    let (code, ids) = status(&["--service", "faiss-wrap"]).await;
    assert_eq!((code, ids), (0, vec![]));
    let (code, ids) = status(&["--service", "chatbot-rag", "--only", "type_mismatch"]).await;
    assert_eq!((code, ids), (1, vec!["type_mismatch".to_owned()]));
    let (code, ids) = status(&["--signal", "resource", "--fail-on", "never"]).await;
    assert_eq!((code, &*ids[0]), (0, "missing_attribute"));
}

#[tokio::test]
async fn a_source_from_which_nothing_came_is_a_violation_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("none.log");
    let away = nobody();
    let arguments = [
        "--duration",
        "1ms",
        "--logs",
        log.to_str().unwrap(),
        "--metrics",
        &away,
    ];
    let ended = Checking::start(&arguments).await.ended().await.expect(1);
    ended.complains(&[&format!("{away} cannot be read yet: ")]);
    for word in [
        "No OTLP arrived.",
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:",
        "No log line could be read",
        log.to_str().unwrap(),
        "The page cannot be read",
        &away,
        "Failed: 3 violations",
    ] {
        assert!(ended.stdout.contains(word), "no {word:?}: {}", ended.stdout);
    }
}

#[tokio::test]
async fn metrics_pages_are_compared_and_named_by_their_service() {
    let page = Router::new().route("/metrics", get(|| async { WRONG_PAGE }));
    let served = Served::new(page).await;
    let url = format!("{}/metrics", served.url);
    let named = format!("chatbot-rag={url}");
    let arguments = [
        "--no-otlp",
        "--metrics",
        &named,
        "--duration",
        "1ms",
        "--format",
        "json",
    ];
    let ended = Checking::start(&arguments).await.ended().await.expect(1);
    let report = report(&ended.stdout);
    assert_eq!(report["seen"]["otlp"], Value::Null);
    let page = json!({"source": url, "service": "chatbot-rag", "format": "text", "metrics": 1});
    assert_eq!(report["seen"]["pages"], json!([page]));
    let undeclared = findings(&report, "undeclared_metric");
    assert_eq!(undeclared[0]["name"], "chatbot_invented_total");
    assert_eq!(undeclared[0]["services"], json!(["chatbot-rag"]));
    let missing = findings(&report, "missing_metric");
    assert!(missing.len() > 5, "{report:#}");
}

#[tokio::test]
async fn metrics_over_otlp_belong_to_the_page_of_the_same_service() {
    let page = Router::new().route("/metrics", get(|| async { WRONG_PAGE }));
    let served = Served::new(page).await;
    let named = format!("chatbot-rag={}/metrics", served.url);
    let arguments = ["--metrics", &named, "--format", "json"];
    let check = Checking::start(&arguments).await;
    let sum = |value: i64| json!({"dataPoints": [{"asInt": value}], "isMonotonic": true, "aggregationTemporality": 2});
    let body = json!({"resourceMetrics": [{
        "resource": {"attributes": [
            {"key": "service.name", "value": {"stringValue": "chatbot-rag"}}
        ]},
        "scopeMetrics": [{"metrics": [
            {"name": "http.server.active", "sum": sum(1)},
            {"name": "chatbot_made_up", "sum": sum(2)}
        ]}]
    }]});
    post_otlp(&check.endpoint, "/v1/metrics", &body).await;
    let ended = check.stop().await.expect(1);
    let report = report(&ended.stdout);
    let pages = report["seen"]["pages"].as_array().unwrap();
    assert_eq!(pages.len(), 1, "{pages:#?}");
    assert_eq!(pages[0]["metrics"], 3);
    let undeclared: Vec<_> = findings(&report, "undeclared_metric")
        .into_iter()
        .map(|finding| &finding["name"])
        .collect();
    assert_eq!(
        undeclared,
        ["chatbot_invented_total", "chatbot_made_up_total"]
    );
}

#[tokio::test]
async fn log_lines_are_read_from_files_and_from_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("service.log");
    let line = json!({"timestamp": "2026-11-23T02:11:19.000123Z", "level": "LOUD", "target": "t", "message": "m", "service.name": "shop"});
    // The last line is still being written.
    fs::write(&log, format!("{line}\n{{\"timesta")).unwrap();
    let log = log.to_str().unwrap();
    let arguments = [
        "--no-otlp",
        "--logs",
        log,
        "--logs",
        "-",
        "--format",
        "json",
    ];
    let mut check = Checking::start(&arguments).await;
    // Its end is the end of the check: nothing more can come.
    check.say("Traceback (most recent call last):\n").await;
    let ended = check.ended().await.expect(1);
    let report = report(&ended.stdout);
    let lines = json!([{"file": log, "count": 1}, {"file": "standard input", "count": 1}]);
    assert_eq!(report["seen"]["lines"], lines);
    let level = findings(&report, "malformed_log_field");
    assert_eq!(
        (&level[0]["name"], &level[0]["services"]),
        (&json!("level"), &json!(["shop"]))
    );
    assert_eq!(findings(&report, "unreadable").len(), 1, "{report:#}");
}

#[tokio::test]
async fn what_cannot_be_passed_on_is_said_and_is_no_finding() {
    let away = nobody();
    let check = Checking::start(&["--forward", &away, "--only", "wrong_kind"]).await;
    post_otlp(&check.endpoint, "/v1/traces", &wrong()).await;
    let ended = check.stop().await.expect(0);
    ended.complains(&["1 of 1 spans could not be passed on to", &away]);
    assert!(ended.stdout.contains("0 of 1"), "{}", ended.stdout);
}

#[tokio::test]
async fn what_is_no_otlp_is_a_finding_with_the_reason() {
    let check = Checking::start(&["--format", "json"]).await;
    let url = format!("{}/v1/traces", check.endpoint);
    let sent = crate::support::client()
        .post(url)
        .body("hello")
        .send()
        .await;
    assert_eq!(sent.unwrap().status(), 415);
    let ended = check.stop().await.expect(1);
    let report = report(&ended.stdout);
    let refused = findings(&report, "unreadable");
    let message = refused[0]["message"].as_str().unwrap();
    assert!(message.contains("application/x-protobuf"), "{message}");
    assert_eq!(report["seen"]["otlp"]["refused"], 1);
    assert!(findings(&report, "nothing_received").is_empty());
}

#[tokio::test]
async fn a_wrong_command_line_is_refused_with_what_is_allowed() {
    let refused: [(&[&str], &[&str]); 9] = [
        (
            &["--only", "missing_atribute"],
            &["missing_attribute", "wrong_kind"],
        ),
        (&["--signal", "spam"], &["span, metric, log, resource"]),
        (
            &["--fail-on", "error"],
            &["violation, improvement, information, never"],
        ),
        (&["--format", "yaml"], &["text", "json", "junit"]),
        (&["--duration", "30"], &["ms, s, m or h"]),
        (&["--otlp", "4317"], &["127.0.0.1:4317"]),
        (
            &["--metrics", "chatbot"],
            &["http://127.0.0.1:8080/metrics"],
        ),
        (&["--no-otlp"], &["there is nothing to check", "--metrics"]),
        (
            &["--no-otlp", "--forward", "http://127.0.0.1:1"],
            &["cannot be used with"],
        ),
    ];
    for (arguments, words) in refused {
        let mut all = vec!["check"];
        all.extend(arguments);
        run(&all, &[]).await.expect(2).complains(words);
    }
}

#[tokio::test]
async fn a_taken_port_is_refused_with_the_flag_that_changes_it() {
    let taken = OtlpReceiver::bind("127.0.0.1:0").await.unwrap();
    let arguments = ["check", "--otlp", &taken.endpoint()];
    run(&arguments, &[]).await.expect(1).complains(&["--otlp"]);
}
