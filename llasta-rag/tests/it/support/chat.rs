//! chatbot-rag in this process, and what is asked of it.

use axum::Router;
use llasta_rag::service::chatbot_rag::{ChatbotConfig, router};
use llasta_telemetry::testing::{CapturedSpan, Recorder};
use serde_json::{Value, json};

use super::{Answer, Index, Served, call, post, settled};

/// What the filled index knows.
pub(crate) const QUESTION: &str = "On which port does the collector listen?";

/// chatbot-rag in this process, between a filled faiss-wrap and some LLM.
#[derive(Debug)]
pub(crate) struct Chat {
    pub(crate) app: Router,
    pub(crate) seen: Recorder,
    pub(crate) index: Index,
    _served: Served,
}

impl Chat {
    pub(crate) async fn new(llm_url: &str, change: impl FnOnce(&mut ChatbotConfig)) -> Self {
        let index = Index::filled().await;
        index.seen.take_spans();
        let served = Served::new(index.app.clone()).await;
        let mut config = ChatbotConfig::new(&served.url, llm_url, "stand-in");
        change(&mut config);
        let seen = Recorder::new("chatbot-rag");
        let app = router(config, seen.telemetry()).unwrap();
        Self {
            app,
            seen,
            index,
            _served: served,
        }
    }

    /// The value of a counter.
    #[track_caller]
    pub(crate) fn count(&self, series: &str) -> u64 {
        match self.seen.counter(series) {
            Some(value) => value,
            None => panic!("no series {series}"),
        }
    }

    pub(crate) async fn ask(&self, body: &Value) -> Answer {
        let answer = call(&self.app, post("/api/chat", body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    /// The spans of the one request there was, of both services.
    pub(crate) async fn spans(&self) -> Vec<CapturedSpan> {
        settled(&self.index.seen, "POST /search").await;
        let mut spans = settled(&self.seen, "POST /api/chat").await;
        spans.extend(self.index.seen.spans());
        spans
    }
}

pub(crate) fn question(stream: bool) -> Value {
    json!({"messages": [{"role": "user", "content": QUESTION}], "stream": stream})
}

pub(crate) fn keys(json: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

/// The pieces of a streamed answer and the event after them.
pub(crate) fn streamed(answer: &Answer) -> (Vec<String>, Value) {
    let (pieces, end) = events(answer);
    let said = pieces
        .into_iter()
        .filter(|piece| keys(piece) == ["content"]);
    let said = said.map(|piece| piece["content"].as_str().unwrap().to_owned());
    (said.collect(), end)
}

/// The pieces of its thinking. Where there is one, there is nothing of the answer.
pub(crate) fn thoughts(answer: &Answer) -> Vec<String> {
    let (pieces, _) = events(answer);
    let thoughts = pieces.iter().filter(|piece| keys(piece) != ["content"]);
    let thoughts = thoughts.map(|piece| {
        assert_eq!(keys(piece), ["content", "thinking_content"]);
        assert_eq!(piece["content"], "");
        piece["thinking_content"].as_str().unwrap().to_owned()
    });
    thoughts.collect()
}

fn events(answer: &Answer) -> (Vec<Value>, Value) {
    let events = answer.events();
    let [pieces @ .., end, "[DONE]"] = &events[..] else {
        panic!("{events:?}")
    };
    let pieces = pieces
        .iter()
        .map(|piece| serde_json::from_str(piece).unwrap());
    (pieces.collect(), serde_json::from_str(end).unwrap())
}
