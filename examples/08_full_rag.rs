//! The reference services in one process: chatbot-rag asks faiss-wrap for context and the stand-in
//! for vLLM for an answer, and one trace goes through all of it.
//!
//! Run it with `cargo run -p llasta-examples --example 08_full_rag`. It prints:
//!
//! ```text
//! According to ports.md: The collector listens on port 4317. [1]
//! POST /api/chat                     SERVER    chatbot-rag
//! ├─ rag.retrieve_context            INTERNAL  chatbot-rag
//! │  └─ POST /search                 CLIENT    chatbot-rag
//! │     └─ POST /search              SERVER    faiss-wrap
//! │        └─ faiss.search           INTERNAL  faiss-wrap
//! │           ├─ faiss.embed_query   INTERNAL  faiss-wrap
//! │           └─ faiss.index_search  INTERNAL  faiss-wrap
//! ├─ rag.build_context               INTERNAL  chatbot-rag
//! ├─ vllm.generate                   INTERNAL  chatbot-rag
//! │  ├─ POST /v1/chat/completions    CLIENT    chatbot-rag
//! │  │  └─ llm_request               SERVER    vllm
//! │  └─ vllm.response                INTERNAL  chatbot-rag
//! └─ response.send_to_frontend       INTERNAL  chatbot-rag
//! ```

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use llasta_examples::{serve, soon};
use llasta_rag::embed::LexicalEmbedder;
use llasta_rag::index::IndexKind;
use llasta_rag::pipeline::{Collection, Item};
use llasta_rag::service::chatbot_rag::ChatbotConfig;
use llasta_rag::service::llm::LlmConfig;
use llasta_rag::service::{MAX_BODY_BYTES, chatbot_rag, faiss_wrap, llm};
use llasta_telemetry::testing::{Recorder, Waterfall};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let recorder = |service| {
        Recorder::builder(service)
            .step(Duration::from_micros(1))
            .build()
    };
    let (index, model, chatbot) = (
        recorder("faiss-wrap"),
        recorder("vllm"),
        recorder("chatbot-rag"),
    );

    // faiss-wrap, over a folder of its own.
    let folder = tempfile::tempdir()?;
    let embedder = Arc::new(LexicalEmbedder::default());
    let collection = Collection::open(folder.path(), embedder, IndexKind::Auto)?;
    let items: Vec<Item> = serde_json::from_value(json!([
        {"id": "ports", "text": "The collector listens on port 4317.", "metadata": {"source": "ports.md"}},
        {"id": "cats", "text": "Cats sleep most of the day.", "metadata": {"source": "animals.md"}}
    ]))?;
    collection.upsert(items)?;
    let app = faiss_wrap::router(Arc::new(collection), index.telemetry(), MAX_BODY_BYTES);
    let index_url = serve(app).await?;

    // The stand-in for vLLM.
    let config = LlmConfig {
        model: "stand-in".to_owned(),
        token_delay: Duration::ZERO,
        concurrency: 1,
        max_body_bytes: MAX_BODY_BYTES,
    };
    let model_url = serve(llm::router(config, model.telemetry())).await?;

    // chatbot-rag, which knows both.
    let mut config = ChatbotConfig::new(&index_url, &model_url, "stand-in");
    config.min_score = 0.3;
    let url = serve(chatbot_rag::router(config, chatbot.telemetry())?).await?;

    let question = json!({"messages": [{"role": "user", "content": "Which port does the collector listen on?"}]});
    let answer = reqwest::Client::new()
        .post(format!("{url}/api/chat"))
        .header("content-type", "application/json")
        .body(question.to_string())
        .send()
        .await?;
    let answer: Value = serde_json::from_str(&answer.text().await?)?;
    println!(
        "{}",
        answer["message"]["content"].as_str().unwrap_or_default()
    );

    let mut spans = soon(&chatbot, "POST /api/chat").await;
    spans.extend(soon(&index, "POST /search").await);
    spans.extend(soon(&model, "llm_request").await);
    print!("{}", Waterfall::new(&spans).without_times());
    Ok(())
}
