//! How a service starts, logs and ends, as a process.

use std::time::{Duration, Instant};

use llasta_telemetry::testing::{OtlpReceiver, page::Page};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{DEADLINE, Llasta, client, items, nobody};

/// What the telemetry may take to end, and some for a machine that is busy.
const SHUTDOWN: Duration = Duration::from_secs(5 + 5);

async fn terminate(service: &Llasta) {
    let kill = format!("kill -TERM {}", service.id());
    let done = Command::new("sh").args(["-c", &kill]).status().await;
    assert!(done.unwrap().success());
}

#[tokio::test]
async fn sigterm_ends_each_service_with_status_0() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    for name in ["faiss-wrap", "chatbot-rag", "llm"] {
        let service = Llasta::serve(&[name], &[("DATA_DIR", path)]).await;
        // A connection that stays open, as those of a pool do.
        let pool = client();
        pool.get(format!("{}/metrics", service.url))
            .send()
            .await
            .unwrap();
        let told = Instant::now();
        terminate(&service).await;
        let (ended, lines) = service.ended().await;
        ended.expect(0);
        assert!(told.elapsed() < SHUTDOWN, "{name}: {:?}", told.elapsed());
        let last = lines.last().unwrap();
        assert_eq!(last["message"], "telemetry has ended", "{name}: {last}");
    }
}

#[tokio::test]
async fn a_request_under_way_is_answered_to_its_end() {
    let service = Llasta::serve(&["llm", "--token-delay-ms", "20"], &[]).await;
    let mut answer = client()
        .post(format!("{}/v1/chat/completions", service.url))
        .json(&json!({"messages": [{"role": "user", "content": "Hello?"}], "stream": true}))
        .send()
        .await
        .unwrap();
    let mut text = Vec::new();
    text.extend(answer.chunk().await.unwrap().unwrap());
    terminate(&service).await;
    while let Some(chunk) = answer.chunk().await.unwrap() {
        text.extend(chunk);
    }
    let text = String::from_utf8(text).unwrap();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    let (ended, lines) = service.ended().await;
    ended.expect(0);
    let position = |meant: &dyn Fn(&Value) -> bool| lines.iter().position(meant).unwrap();
    let stopping = position(&|line| line["message"] == "stopping: no new requests");
    let request = position(&|line| line["message"] == "request");
    assert!(stopping < request, "{lines:#?}");
}

#[tokio::test]
async fn a_request_that_outlasts_the_drain_timeout_is_cut_off_and_said() {
    let never = [
        "llm",
        "--token-delay-ms",
        "3600000",
        "--drain-timeout-secs",
        "0",
    ];
    let service = Llasta::serve(&never, &[]).await;
    let mut answer = client()
        .post(format!("{}/v1/chat/completions", service.url))
        .json(&json!({"messages": [{"role": "user", "content": "Hello?"}], "stream": true}))
        .send()
        .await
        .unwrap();
    answer.chunk().await.unwrap().unwrap();
    terminate(&service).await;
    assert!(answer.chunk().await.is_err());
    let (ended, lines) = service.ended().await;
    ended.expect(0);
    let cut_off = |line: &Value| {
        let message = line["message"].as_str().unwrap_or_default();
        message.contains("cut off") && message.contains("--drain-timeout-secs")
    };
    assert!(lines.iter().any(cut_off), "{lines:#?}");
}

#[tokio::test]
async fn an_unreachable_collector_is_said_and_disturbs_nothing() {
    let endpoint = nobody();
    let folder = tempfile::tempdir().unwrap();
    let mut service = Llasta::serve(
        &["faiss-wrap"],
        &[
            ("DATA_DIR", folder.path().to_str().unwrap()),
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_BSP_SCHEDULE_DELAY", "10"),
        ],
    )
    .await;
    let first = &service.lines()[0];
    assert_eq!(first["message"], format!("OTLP endpoint: {endpoint}"));

    let answer = service.post("/upsert", &json!({ "items": items() })).await;
    assert_eq!(answer["upserted"], 3);
    let warned = service.line(|line| line["level"] == "WARN").await;
    let message = warned["message"].as_str().unwrap();
    for word in [
        "collector",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_TRACES_EXPORTER=none",
    ] {
        assert!(message.contains(word), "{message}");
    }
    let found = service
        .post("/search", &json!({"query": "port 4317"}))
        .await;
    assert_eq!(found["results"][0]["id"], "ports");
    let page = Page::parse(&service.text("/metrics").await).unwrap();
    let lost = page.value("llasta_telemetry_spans_total{result=\"failed\"}");
    assert!(lost.unwrap() >= 1.0, "{lost:?}");

    let told = Instant::now();
    let lines = service.stop().await;
    assert!(told.elapsed() < SHUTDOWN, "{:?}", told.elapsed());
    let last = lines.last().unwrap();
    assert_eq!(last["message"], "telemetry has ended with losses");
    let warnings = lines.iter().filter(|line| line["level"] == "WARN");
    assert_eq!(warnings.count(), 2, "it repeats itself: {lines:#?}");
}

#[tokio::test]
async fn a_collector_that_never_answers_does_not_hold_up_the_end() {
    let hanging = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = hanging.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let service = Llasta::serve(
        &["faiss-wrap"],
        &[
            ("DATA_DIR", folder.path().to_str().unwrap()),
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ],
    )
    .await;
    service.post("/upsert", &json!({ "items": items() })).await;
    let told = Instant::now();
    let lines = service.stop().await;
    assert!(told.elapsed() < SHUTDOWN, "{:?}", told.elapsed());
    let said = |begin: &str| {
        let mut messages = lines.iter().filter_map(|line| line["message"].as_str());
        messages.any(|message| message.starts_with(begin))
    };
    // The endpoint had no scheme.
    assert!(said(&format!("OTLP endpoint: http://{endpoint}")));
    assert!(said("the OTLP endpoint has no scheme"));
    assert!(said("telemetry has ended with losses"));
}

#[tokio::test]
async fn what_waits_at_the_end_is_still_exported() {
    let receiver = OtlpReceiver::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let service = Llasta::serve(
        &["faiss-wrap"],
        &[
            ("DATA_DIR", folder.path().to_str().unwrap()),
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint()),
            // Nothing is sent before the end.
            ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "deployment.environment.name=test",
            ),
        ],
    )
    .await;
    service.post("/upsert", &json!({ "items": items() })).await;
    assert!(receiver.is_empty());
    service.stop().await;
    let spans = receiver
        .wait_until(|spans| !spans.is_empty(), DEADLINE)
        .await;
    let span = spans.iter().find(|span| span.name == "POST /upsert");
    let span = span.unwrap();
    assert_eq!(span.service, "faiss-wrap");
    let place = &span.resource["deployment.environment.name"];
    assert_eq!(place.to_string(), "\"test\"");
}

#[tokio::test]
async fn each_request_is_one_access_line_of_its_trace() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let service = Llasta::serve(&["faiss-wrap"], &[("DATA_DIR", path)]).await;
    service.post("/upsert", &json!({ "items": items() })).await;
    service.post("/upsert", &json!({ "items": [] })).await;
    service.get("/nowhere").await;
    service.text("/metrics").await;
    let lines = service.stop().await;
    let access: Vec<_> = lines
        .iter()
        .filter(|line| line["target"] == "llasta_telemetry::access")
        .collect();
    let [upsert, refused, nowhere] = &access[..] else {
        panic!("{access:#?}")
    };
    for (line, method, path, route, status) in [
        (upsert, "POST", "/upsert", json!("/upsert"), 200),
        (refused, "POST", "/upsert", json!("/upsert"), 422),
        (nowhere, "GET", "/nowhere", Value::Null, 404),
    ] {
        assert_eq!(line["method"], method);
        assert_eq!(line["path"], path);
        assert_eq!(line["route"], route);
        assert_eq!(line["status"], status);
        assert_eq!(line["outcome"], "success");
        assert_eq!(line["service.name"], "faiss-wrap");
        assert!(line["duration_ms"].as_f64().unwrap() > 0.0);
        assert_eq!(line["trace_id"].as_str().unwrap().len(), 32);
        assert_eq!(line["span_id"].as_str().unwrap().len(), 16);
    }
    assert_ne!(upsert["trace_id"], refused["trace_id"]);
}

#[tokio::test]
async fn metrics_do_not_depend_on_traces() {
    for (variable, value) in [
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_SDK_DISABLED", "true"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let environment = [("DATA_DIR", path), (variable, value)];
        let service = Llasta::serve(&["faiss-wrap"], &environment).await;
        service.post("/upsert", &json!({ "items": items() })).await;
        let found = service
            .post("/search", &json!({"query": "port 4317"}))
            .await;
        assert_eq!(found["results"][0]["id"], "ports");
        let page = Page::parse(&service.text("/metrics").await).unwrap();
        for endpoint in ["upsert", "search"] {
            let series =
                format!("faiss_wrap_requests_total{{endpoint=\"{endpoint}\",status=\"success\"}}");
            assert_eq!(page.value(&series), Some(1.0), "{variable}: {series}");
        }
        assert_eq!(page.value("faiss_wrap_upserts_total"), Some(3.0));
        let lines = service.stop().await;
        let access = lines.iter().filter(|line| line["message"] == "request");
        assert_eq!(access.count(), 2, "{variable}");
    }
}
