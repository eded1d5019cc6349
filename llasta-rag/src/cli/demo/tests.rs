//! A demo whose telemetry is not what the contract says must say what is missing, and fail.
//!
//! The services are right, so what they emitted is spoilt here: one thing of each signal. That the
//! check finds whatever else can be wrong is proved by the mutations in `tests/it`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use llasta_rag::api::chat::ChatAnswer;
use llasta_rag::embed::LexicalEmbedder;
use llasta_rag::index::IndexKind;
use llasta_rag::pipeline::{Collection, Item};
use llasta_rag::service::chatbot_rag::{self, ChatbotConfig};
use llasta_rag::service::llm::{self, LlmConfig};
use llasta_rag::service::{MAX_BODY_BYTES, faiss_wrap};
use llasta_telemetry::schema::sdk::{BuildMetrics, SdkMetrics};
use llasta_telemetry::testing::conform::{Finding, FindingId};
use llasta_telemetry::testing::{CapturedSpan, Recorder};
use serde_json::json;
use tower::ServiceExt;

use super::children::Lines;
use super::inspect::{Pages, findings};
use super::{CHAT_SPANS, LLM_SPANS, SPANS_DEADLINE, print, verdict};

/// What one chat request made.
struct Emitted {
    answer: ChatAnswer,
    spans: Vec<CapturedSpan>,
    pages: Pages,
    lines: Vec<Lines>,
}

impl Emitted {
    fn findings(&self) -> Vec<Finding> {
        findings(&self.spans, &self.pages, &self.lines)
    }

    fn ids(&self) -> Vec<FindingId> {
        self.findings().iter().map(|finding| finding.id).collect()
    }
}

/// A recorder with the metrics of a service that exports.
fn recorder(name: &'static str) -> Recorder {
    let seen = Recorder::new(name);
    SdkMetrics::register(seen.telemetry().registry());
    BuildMetrics::register(seen.telemetry().registry())
        .build_info(name, "0.0.0")
        .set(1);
    #[cfg(target_os = "linux")]
    {
        use llasta_telemetry::prometheus::{Registry, process_collector::ProcessCollector};
        let process = Registry::new();
        let collector = Box::new(ProcessCollector::for_self());
        process.register(collector).unwrap();
        seen.telemetry().registry().join(process);
    }
    seen
}

async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await });
    url
}

/// One chat request through the three services in this process.
async fn emitted() -> Emitted {
    let (chatbot, index, vllm) = (
        recorder("chatbot-rag"),
        recorder("faiss-wrap"),
        recorder("vllm"),
    );
    let folder = tempfile::tempdir().unwrap();
    let embedder = Arc::new(LexicalEmbedder::default());
    let collection = Collection::open(folder.path(), embedder, IndexKind::Auto).unwrap();
    let item = Item {
        id: "ports".to_owned(),
        text: "The collector listens on port 4317.".to_owned(),
        metadata: json!({}),
    };
    collection.upsert(vec![item]).unwrap();
    let faiss_wrap = faiss_wrap::router(Arc::new(collection), index.telemetry(), MAX_BODY_BYTES);
    let config = LlmConfig {
        model: "stand-in".to_owned(),
        token_delay: Duration::ZERO,
        concurrency: 1,
        max_body_bytes: MAX_BODY_BYTES,
    };
    let llm = llm::router(config, vllm.telemetry());
    let mut config = ChatbotConfig::new(&serve(faiss_wrap).await, &serve(llm).await, "stand-in");
    // To ask for it would be a line of the LLM's outside of the chat.
    config.context_tokens = Some(8192);
    let app = chatbot_rag::router(config, chatbot.telemetry()).unwrap();

    let question = "On which port does the collector listen?";
    let body = json!({"messages": [{"role": "user", "content": question}]});
    let request = Request::post("/api/chat")
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()));
    let response = app.oneshot(request.unwrap()).await.unwrap();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();

    let here = [&chatbot, &index, &vllm];
    let mut spans = Vec::new();
    for (seen, count) in here.iter().zip([CHAT_SPANS - 4, 4, LLM_SPANS]) {
        let enough = |spans: &[CapturedSpan]| spans.len() == count;
        spans.extend(seen.wait_until(enough, SPANS_DEADLINE).await);
    }
    let format = llasta_telemetry::metrics::Format::Text;
    let page = |seen: &Recorder| seen.page_text(format);
    let lines = [
        ("chatbot-rag", &chatbot),
        ("faiss-wrap", &index),
        ("vllm", &vllm),
    ];
    Emitted {
        answer: serde_json::from_slice(&body).unwrap(),
        spans,
        pages: Pages([
            ("chatbot-rag", page(&chatbot)),
            ("faiss-wrap", page(&index)),
            ("vllm", page(&vllm)),
        ]),
        lines: lines
            .map(|(service, seen)| Lines {
                service,
                lines: seen.log_lines(),
            })
            .into(),
    }
}

#[tokio::test]
async fn what_the_services_emit_has_no_findings() {
    let emitted = emitted().await;
    assert_eq!(emitted.spans.len(), CHAT_SPANS + LLM_SPANS);
    assert_eq!(emitted.findings(), []);
    assert!(verdict(&[]).is_ok());
}

#[tokio::test]
async fn each_span_that_is_missing_is_named_and_the_demo_fails() {
    let mut emitted = emitted().await;
    for at in 0..CHAT_SPANS {
        let missing = emitted.spans.remove(at);
        let findings = emitted.findings();
        let found = findings
            .iter()
            .any(|finding| finding.id == FindingId::MissingSpan && finding.name == missing.name);
        assert!(found, "{}: {findings:?}", missing.name);
        assert_eq!(verdict(&findings).unwrap_err().status, 1);
        let seen = print::Seen {
            question: "?",
            answer: &emitted.answer,
            spans: &emitted.spans,
            moved: Vec::new(),
            lines: Vec::new(),
            findings: &findings,
        };
        let shown = seen.to_string();
        let (_, said) = shown.split_once("\nConformance\n").unwrap();
        assert!(said.contains(&format!("`{}`", missing.name)), "{said}");
        assert!(!said.contains(" 0 findings"), "{said}");
        assert_eq!(
            seen.json()["findings"].as_array().unwrap().len(),
            findings.len()
        );
        emitted.spans.insert(at, missing);
    }
}

#[tokio::test]
async fn the_page_of_each_service_is_compared() {
    let mut emitted = emitted().await;
    for at in 0..3 {
        let whole = std::mem::take(&mut emitted.pages.0[at].1);
        assert!(emitted.ids().contains(&FindingId::MissingMetric));
        emitted.pages.0[at].1 = whole;
    }
    assert_eq!(emitted.findings(), []);
}

#[tokio::test]
async fn a_log_line_that_is_none_is_found() {
    let mut emitted = emitted().await;
    for at in 0..3 {
        emitted.lines[at].lines.push("a word".to_owned());
        assert!(emitted.ids().contains(&FindingId::Unreadable));
        let without = r#"{"message": "no time"}"#;
        *emitted.lines[at].lines.last_mut().unwrap() = without.to_owned();
        assert!(emitted.ids().contains(&FindingId::MissingLogField));
        emitted.lines[at].lines.pop();
    }
    assert_eq!(emitted.findings(), []);
}
