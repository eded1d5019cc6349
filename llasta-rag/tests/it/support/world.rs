//! faiss-wrap in this process, and what is put into it.

use std::sync::Arc;

use axum::Router;
use llasta_rag::embed::LexicalEmbedder;
use llasta_rag::index::IndexKind;
use llasta_rag::pipeline::Collection;
use llasta_rag::service::{MAX_BODY_BYTES, faiss_wrap};
use llasta_telemetry::testing::{CapturedSpan, Recorder};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{DEADLINE, call, get, post};

/// faiss-wrap over a folder of its own.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) app: Router,
    pub(crate) seen: Recorder,
    _folder: TempDir,
}

impl Index {
    pub(crate) fn new() -> Self {
        Self::with_limit(MAX_BODY_BYTES)
    }

    pub(crate) fn with_limit(max_body_bytes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let embedder = Arc::new(LexicalEmbedder::default());
        let collection = Collection::open(folder.path(), embedder, IndexKind::Auto).unwrap();
        // Each look at the clock takes time, so that what comes first begins first.
        let seen = Recorder::builder("faiss-wrap")
            .step(std::time::Duration::from_micros(1))
            .build();
        let app = faiss_wrap::router(Arc::new(collection), seen.telemetry(), max_body_bytes);
        Self {
            app,
            seen,
            _folder: folder,
        }
    }

    /// With the items of [`items`].
    pub(crate) async fn filled() -> Self {
        let index = Self::new();
        index.upsert(&items()).await;
        index
    }

    pub(crate) async fn upsert(&self, items: &Value) -> Value {
        let answer = call(&self.app, post("/upsert", &json!({ "items": items }))).await;
        answer.json()
    }

    /// The results of a search.
    pub(crate) async fn search(&self, body: &Value) -> Vec<Value> {
        let answer = call(&self.app, post("/search", body)).await.json();
        answer["results"].as_array().unwrap().clone()
    }

    pub(crate) async fn health(&self) -> Value {
        call(&self.app, get("/health")).await.json()
    }
}

/// Three texts about different things.
pub(crate) fn items() -> Value {
    json!([
        {"id": "cats", "text": "Cats sleep most of the day.", "metadata": {"source": "animals.md"}},
        {"id": "ports", "text": "The collector listens on port 4317.",
         "metadata": {"source": "ports.pdf", "page": 3}},
        {"id": "invoices", "text": "The invoice is due in April."}
    ])
}

/// The spans, once the request whose SERVER span bears this name has ended: its metrics are settled.
pub(crate) async fn settled(seen: &Recorder, name: &str) -> Vec<CapturedSpan> {
    let there = |spans: &[CapturedSpan]| spans.iter().any(|span| span.name == name);
    let spans = seen.wait_until(there, DEADLINE).await;
    assert!(there(&spans), "{name} does not end");
    spans
}
