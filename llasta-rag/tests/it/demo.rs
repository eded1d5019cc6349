//! `llasta demo`: one command, three processes, and telemetry as the contract says.

use std::collections::{BTreeMap, BTreeSet};

use llasta_telemetry::testing::OtlpReceiver;
use serde_json::{Map, Value, json};

use crate::mutations::contract::TREE;
use crate::support::{DEADLINE, keys, run};

/// A small corpus: the demo is about the telemetry.
fn docs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text =
        "# Ports\n\nThe collector listens on port 4317.\n\n# Cats\n\nCats sleep most of the day.\n";
    std::fs::write(folder.path().join("ports.md"), text).unwrap();
    folder
}

fn spans(demo: &Value) -> Vec<&Map<String, Value>> {
    let spans = demo["spans"].as_array().unwrap();
    spans.iter().map(|span| span.as_object().unwrap()).collect()
}

/// Spans of one chat request: the contract's, and the LLM server's own.
const SPANS: usize = 13;

/// The spans are those of the contract, each lies within its parent, and the LLM server's own stands
/// under the request to it.
fn check_tree(demo: &Value) {
    let spans = spans(demo);
    assert_eq!(spans.len(), SPANS, "{spans:#?}");
    let traces: BTreeSet<_> = spans
        .iter()
        .map(|span| &span["trace_id"])
        .map(Value::to_string)
        .collect();
    assert_eq!(traces, BTreeSet::from([demo["trace_id"].to_string()]));
    let found = TREE.map(|(name, kind, service, _)| {
        let mut fitting = spans.iter().filter(|span| {
            span["name"] == name && span["kind"] == kind && span["service"] == service
        });
        let span = fitting.next().unwrap_or_else(|| panic!("no {kind} {name}"));
        assert!(fitting.next().is_none(), "more than one {kind} {name}");
        *span
    });
    let own = spans.iter().find(|span| span["name"] == "llm_request");
    let own = own.expect("the LLM server has a span of its own");
    assert_eq!(
        (&own["service"], &own["kind"]),
        (&json!("vllm"), &json!("SERVER"))
    );
    let call = TREE
        .iter()
        .position(|(name, ..)| *name == "POST /v1/chat/completions");
    assert_eq!(own["parent_span_id"], found[call.unwrap()]["span_id"]);
    for (span, (name, _, _, parent)) in found.iter().zip(TREE) {
        let expected = parent.map_or(Value::Null, |parent| found[parent]["span_id"].clone());
        assert_eq!(span["parent_span_id"], expected, "{name}");
        let fields: BTreeSet<_> = span.keys().map(String::as_str).collect();
        assert_eq!(
            fields,
            BTreeSet::from([
                "trace_id",
                "span_id",
                "parent_span_id",
                "name",
                "kind",
                "service",
                "start_unix_nano",
                "duration_ms",
                "status",
                "attributes",
            ])
        );
        assert_eq!(span["status"], "unset", "{name}");
        assert_eq!(span["trace_id"].as_str().unwrap().len(), 32);
        assert_eq!(span["span_id"].as_str().unwrap().len(), 16);
        assert!(span["attributes"].is_object());
        let (start, end) = times(span);
        if let Some(parent) = parent.filter(|at| TREE[*at].2 == span["service"]) {
            let (begins, ends) = times(found[parent]);
            // Less than the clock's steps.
            assert!(
                start >= begins && end <= ends + 0.001,
                "{name} is not within its parent"
            );
        }
    }
}

/// Start and end in milliseconds since 1970.
fn times(span: &Map<String, Value>) -> (f64, f64) {
    let start = span["start_unix_nano"].as_u64().unwrap();
    let day = 86_400_000_000_000;
    let start = (start % day) as f64 / 1e6;
    (start, start + span["duration_ms"].as_f64().unwrap())
}

#[tokio::test]
async fn as_json_it_is_one_object_with_the_tree_and_no_findings() {
    let second = OtlpReceiver::bind("127.0.0.1:0").await.unwrap();
    let docs = docs();
    for more in [&[][..], &["--stream"]] {
        second.take_spans();
        let docs = docs.path().to_str().unwrap();
        let arguments = [
            &[
                "demo",
                "--json",
                "--docs",
                docs,
                "--question",
                "On which port does the collector listen?",
            ],
            more,
        ]
        .concat();
        let ended = run(
            &arguments,
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &second.endpoint()),
                // None of this is the demo's business.
                ("OTEL_TRACES_SAMPLER", "always_off"),
                ("LLASTA_LOG_FORMAT", "pretty"),
                ("RAG_TOP_K", "many"),
                ("RAG_MIN_SCORE", "1"),
                ("APP_PORT", "abc"),
                ("EMBED_MODEL", "theirs"),
                ("MAX_BODY_BYTES", "1"),
                ("HTTP_PROXY", "http://127.0.0.1:1"),
                ("http_proxy", "http://127.0.0.1:1"),
            ],
        );
        let ended = ended.await.expect(0);
        assert_eq!(ended.stderr, "");
        // One object and nothing else, whatever the lines.
        let demo: Value = serde_json::from_str(&ended.stdout).unwrap();
        for key in ["answer", "sources", "spans", "metrics", "findings"] {
            assert!(keys(&demo).contains(&key), "{key}");
        }
        assert_eq!(demo["findings"], serde_json::json!([]));
        assert!(
            demo["answer"].as_str().unwrap().contains("4317"),
            "{}",
            demo["answer"]
        );
        assert!(
            demo["sources"][0]["text"]
                .as_str()
                .unwrap()
                .contains("4317")
        );
        check_tree(&demo);
        let streamed = spans(&demo)
            .into_iter()
            .find(|span| span["name"] == "vllm.generate");
        assert_eq!(
            streamed.unwrap()["attributes"]["llm.stream"],
            !more.is_empty()
        );

        let metrics = demo["metrics"].as_array().unwrap();
        let moved: BTreeMap<_, _> = metrics
            .iter()
            .map(|metric| {
                (
                    metric["name"].as_str().unwrap(),
                    metric["service"].as_str().unwrap(),
                )
            })
            .collect();
        for (name, service) in [
            ("chatbot_requests_total", "chatbot-rag"),
            ("chatbot_rag_chunks_total", "chatbot-rag"),
            ("faiss_wrap_search_total", "faiss-wrap"),
            ("vllm_tokens_generated_total", "vllm"),
        ] {
            assert_eq!(moved.get(name), Some(&service), "{name}");
        }

        // Whoever the environment names got everything too: the ingestion, and the same trace.
        let trace = demo["trace_id"].as_str().unwrap();
        let all = second
            .wait_until(
                |all| all.iter().filter(|span| span.trace_id == trace).count() == SPANS,
                DEADLINE,
            )
            .await;
        let of_trace: BTreeSet<_> = all
            .iter()
            .filter(|span| span.trace_id == trace)
            .map(|span| span.span_id.as_str())
            .collect();
        let shown: BTreeSet<_> = spans(&demo)
            .iter()
            .map(|span| span["span_id"].as_str().unwrap())
            .collect();
        assert_eq!(of_trace, shown);
        assert!(all.iter().any(|span| span.name == "POST /upsert"));
    }
}

#[tokio::test]
async fn for_people_it_shows_answer_trace_latency_metrics_logs_and_conformance() {
    // The folder docs/ above this crate, as a newcomer has it.
    let ended = run(&["demo", "--stream"], &[]).await.expect(0);
    let mut rest = ended.stdout.as_str();
    for part in [
        "\nQuestion\n  Which metrics does faiss-wrap expose?\n",
        "\nAnswer\n",
        "\nSources\n  [1] ",
        "\nTrace ",
        "POST /api/chat",
        "rag.retrieve_context",
        "faiss.index_search",
        "vllm.generate",
        "response.send_to_frontend",
        "\nLatency breakdown\n",
        "\nMetrics that moved\n",
        "chatbot_requests_total",
        "faiss_wrap_search_total",
        "\nLog lines of this trace\n",
        "chatbot-rag  {",
        "faiss-wrap   {",
        "vllm         {",
        "\nConformance\n",
        "0 findings",
    ] {
        let Some((_, after)) = rest.split_once(part) else {
            panic!("no {part:?} where it should be: {}", ended.stdout)
        };
        rest = after;
    }
}

#[tokio::test]
async fn a_question_nobody_can_answer_has_the_same_trace() {
    let docs = docs();
    let docs = docs.path().to_str().unwrap();
    let ended = run(
        &["demo", "--json", "--docs", docs, "--question", "???"],
        &[],
    )
    .await;
    let ended = ended.expect(0);
    let demo: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(demo["question"], "???");
    assert_eq!(demo["sources"], serde_json::json!([]));
    check_tree(&demo);
}

#[tokio::test]
async fn what_keeps_the_demo_from_showing_anything_is_said() {
    let empty = tempfile::tempdir().unwrap();
    let empty = empty.path().to_str().unwrap();
    let missing = format!("{empty}/missing");
    for (arguments, words) in [
        (&["demo", "--docs", &missing][..], &[missing.as_str()][..]),
        (&["demo", "--docs", empty], &[empty]),
        (&["demo", "--json", "--question", " "], &["422", "blank"]),
    ] {
        let ended = run(arguments, &[]).await.expect(1);
        ended.complains(words);
        assert_eq!(ended.stdout, "");
    }
}

#[tokio::test]
async fn a_collector_of_the_environment_that_is_away_is_said_and_does_no_harm() {
    let docs = docs();
    let docs = docs.path().to_str().unwrap();
    let away = crate::support::nobody();
    let ended = run(
        &["demo", "--json", "--docs", docs],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", &away)],
    );
    let ended = ended.await.expect(0);
    ended.complains(&[
        "spans could not be passed on",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ]);
    let demo: Value = serde_json::from_str(&ended.stdout).unwrap();
    check_tree(&demo);
}
