//! What the real services say: processes, an OTLP receiver, scraped pages, standard output.

use std::sync::OnceLock;

use llasta_telemetry::Names;
use llasta_telemetry::schema::Schema;
use llasta_telemetry::testing::conform::{self, Finding};
use llasta_telemetry::testing::{CapturedPage, CapturedSpan, Evidence, OtlpReceiver};
use serde_json::{Value, json};

use super::contract::SERVICES;
use crate::support::{DEADLINE, Llasta, QUESTION, client, items};

/// Everything the services said, and the text of their pages.
#[derive(Debug, Clone)]
pub(super) struct Captured {
    pub(super) evidence: Evidence,
    pub(super) texts: [String; 3],
}

impl Captured {
    pub(super) fn findings(&self) -> Vec<Finding> {
        conform::check(&Schema::contract(), &self.evidence, Names::Both)
    }

    /// The spans of this name, of any kind where none is given. There are some.
    #[track_caller]
    pub(super) fn spans(&mut self, name: &str, kind: &str) -> Vec<&mut CapturedSpan> {
        let meant =
            |span: &&mut CapturedSpan| span.name == name && (kind.is_empty() || span.kind == kind);
        let spans: Vec<_> = self.evidence.spans.iter_mut().filter(meant).collect();
        assert!(!spans.is_empty(), "no {kind} {name}");
        spans
    }

    /// Changes a page, whose lines are handed over one by one.
    pub(super) fn page(&mut self, service: &str, change: impl Fn(&str) -> Option<String>) {
        let at = SERVICES.iter().position(|other| *other == service).unwrap();
        let lines: Vec<_> = self.texts[at].lines().filter_map(change).collect();
        self.texts[at] = lines.join("\n") + "\n";
        self.evidence.pages[at] = page(service, &self.texts[at]);
    }

    /// Changes the lines of the log: `None` takes one out.
    pub(super) fn lines(&mut self, change: impl Fn(&mut Value) -> Option<()>) {
        let lines = std::mem::take(&mut self.evidence.lines);
        self.evidence.lines = lines
            .into_iter()
            .filter_map(|line| {
                let mut line: Value = serde_json::from_str(&line).unwrap();
                change(&mut line)?;
                Some(line.to_string())
            })
            .collect();
    }
}

fn page(service: &str, text: &str) -> CapturedPage {
    CapturedPage::read(service, text).of_service(service)
}

/// What was captured, once for all tests.
pub(super) fn captured() -> Captured {
    static CAPTURED: OnceLock<Captured> = OnceLock::new();
    CAPTURED.get_or_init(|| block_on(usual())).clone()
}

pub(super) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}

/// The services, next to each other.
pub(super) struct World {
    receiver: OtlpReceiver,
    _folder: tempfile::TempDir,
    pub(super) faiss_wrap: Option<Llasta>,
    pub(super) llm: Option<Llasta>,
    pub(super) chatbot: Llasta,
}

/// Who is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    All,
    NoIndex,
    NoLlm,
}

impl World {
    pub(super) async fn new(there: There) -> Self {
        Self::with(there, &[]).await
    }

    pub(super) async fn with(there: There, settings: &[(&str, &str)]) -> Self {
        let receiver = OtlpReceiver::bind("127.0.0.1:0").await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let endpoint = receiver.endpoint();
        let nobody = crate::support::nobody();
        let exporting = [
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
            ("DATA_DIR", folder.path().to_str().unwrap()),
        ];
        let (mut faiss_wrap, mut llm) = (None, None);
        if there != There::NoIndex {
            faiss_wrap = Some(Llasta::serve(&["faiss-wrap"], &exporting).await);
        }
        if there != There::NoLlm {
            llm = Some(Llasta::serve(&["llm", "--token-delay-ms", "2"], &exporting).await);
        }
        let url = |service: &Option<Llasta>| {
            service
                .as_ref()
                .map_or_else(|| nobody.clone(), |service| service.url.clone())
        };
        let (index_url, llm_url) = (url(&faiss_wrap), url(&llm));
        let mut all = exporting.to_vec();
        all.extend([
            ("FAISS_WRAP_URL", &*index_url),
            ("VLLM_BASE_URL", &*llm_url),
        ]);
        all.extend(settings);
        let chatbot = Llasta::serve(&["chatbot-rag"], &all).await;
        Self {
            receiver,
            _folder: folder,
            faiss_wrap,
            llm,
            chatbot,
        }
    }

    pub(super) async fn fill(&self) {
        let index = self.faiss_wrap.as_ref().unwrap();
        index.post("/upsert", &json!({ "items": items() })).await;
    }

    /// Waits until so many requests have ended that have a path of this name: with the access line
    /// of a request, its metrics are settled.
    pub(super) async fn ended(&mut self, path: &str, requests: usize) {
        let lines = self.chatbot.lines_until(|lines| {
            let of_path = |line: &&Value| line["message"] == "request" && line["path"] == path;
            lines.iter().filter(of_path).count() >= requests
        });
        tokio::time::timeout(DEADLINE, lines).await.unwrap();
    }

    /// Scrapes the pages, stops everything, and hands over what was said.
    pub(super) async fn stop(self) -> Captured {
        let mut evidence = Evidence::new();
        let mut texts = [const { String::new() }; 3];
        let services = [Some(self.chatbot), self.faiss_wrap, self.llm];
        for ((service, name), text) in services.iter().zip(SERVICES).zip(&mut texts) {
            if let Some(service) = service {
                *text = scrape(&service.url).await;
                evidence = evidence.page(page(name, text));
            }
        }
        for service in services.into_iter().flatten() {
            let lines = service.stop().await;
            evidence = evidence.lines(lines.iter().map(Value::to_string));
        }
        evidence = evidence.spans(self.receiver.take_spans());
        Captured { evidence, texts }
    }
}

async fn scrape(url: &str) -> String {
    let accept = "application/openmetrics-text; version=1.0.0";
    let request = client()
        .get(format!("{url}/metrics"))
        .header("accept", accept);
    let text = request.send().await.unwrap().text().await.unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    text
}

pub(super) fn question(words: &str, stream: bool) -> Value {
    json!({
        "messages": [{"role": "user", "content": words}],
        "stream": stream,
        "max_tokens": 64
    })
}

/// A plain chat and a streamed one, what else the services are asked, and what they do not know.
async fn usual() -> Captured {
    let mut world = World::new(There::All).await;
    world.fill().await;
    let index = world.faiss_wrap.as_ref().unwrap();
    let search = client().post(format!("{}/search", index.url));
    let search = search.header("user-agent", "curl/8.14.1");
    let search = search.json(&json!({"query": "cats", "top_k": 2})).send();
    assert_eq!(search.await.unwrap().status(), 200);
    index.get("/health").await;
    index.text("/nothing").await;
    world.chatbot.get("/health").await;
    world.chatbot.text("/nothing").await;
    for stream in [false, true] {
        let request = client().post(format!("{}/api/chat", world.chatbot.url));
        let answer = request
            .json(&question(QUESTION, stream))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let answer = answer.text().await.unwrap();
        assert!(answer.contains("4317"), "{answer}");
    }
    world.ended("/api/chat", 2).await;
    world.stop().await
}
