//! What goes to the LLM fits into its window.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get as getting, post as posting};
use axum::{Json, Router};
use llasta_telemetry::schema::Schema;
use llasta_telemetry::testing::conform;
use serde_json::{Value, json};

use crate::support::{Chat, FakeLlm, QUESTION, Say, call, post, question, settled};

/// A conversation: instructions, an old turn of 200 tokens by the rule, a newer one of 40, and the
/// question.
fn conversation() -> Value {
    json!([
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "word ".repeat(100)},
        {"role": "assistant", "content": "Old."},
        {"role": "user", "content": "word ".repeat(20)},
        {"role": "assistant", "content": "New."},
        {"role": "user", "content": QUESTION},
    ])
}

/// What the LLM is sent of it with this window, each message by a word of its own, and the sources.
async fn sent(window: usize, llm: &FakeLlm, configured: bool) -> (Vec<&'static str>, usize) {
    let chat = Chat::new(llm.url(), |config| {
        config.context_tokens = configured.then_some(window);
    })
    .await;
    let body = json!({"messages": conversation(), "max_tokens": 50});
    let answer = chat.ask(&body).await.json();
    let messages = llm.asked().last().unwrap()["messages"].clone();
    let named = messages.as_array().unwrap().iter().map(|message| {
        match message["content"].as_str().unwrap() {
            "Be kind." => "instructions",
            "Old." => "old answer",
            "New." => "new answer",
            QUESTION => "question",
            text if text.starts_with("Answer from the context") => "context",
            text if text.len() > 200 => "old question",
            _ => "new question",
        }
    });
    let spans = chat.spans().await;
    assert_eq!(conform::chat_request(&Schema::contract(), &spans), []);
    let sources = answer["sources"].as_array().unwrap().len();
    let span = chat.seen.span("rag.build_context").unwrap();
    assert_eq!(span.int("rag.chunks_sent"), Some(sources as i64));
    (named.collect(), sources)
}

#[tokio::test]
async fn the_oldest_turns_go_first_then_passages_and_never_the_question() {
    let llm = FakeLlm::new(Say::whole("4317.")).await;
    let all = [
        "instructions",
        "context",
        "old question",
        "old answer",
        "new question",
        "new answer",
        "question",
    ];
    assert_eq!(sent(4096, &llm, true).await, (all.to_vec(), 1));
    let without_old = [
        "instructions",
        "context",
        "new question",
        "new answer",
        "question",
    ];
    assert_eq!(sent(420, &llm, true).await, (without_old.to_vec(), 1));
    let no_turn = ["instructions", "context", "question"];
    assert_eq!(sent(330, &llm, true).await, (no_turn.to_vec(), 1));
    let bare = ["instructions", "question"];
    assert_eq!(sent(200, &llm, true).await, (bare.to_vec(), 0));
}

#[tokio::test]
async fn a_question_that_does_not_fit_is_refused_before_anything_is_searched() {
    let llm = FakeLlm::new(Say::whole("never asked")).await;
    for stream in [false, true] {
        let chat = Chat::new(llm.url(), |config| config.context_tokens = Some(200)).await;
        let body = json!({
            "messages": [{"role": "user", "content": "word ".repeat(100)}], "stream": stream
        });
        let answer = call(&chat.app, post("/api/chat", &body)).await;
        assert_eq!(answer.status, 422);
        let refusal = answer.refusal();
        for part in ["messages: ", "about 209 tokens", "window of 200", "shorten"] {
            assert!(refusal.contains(part), "{refusal}");
        }
        settled(&chat.seen, "POST /api/chat").await;
        assert_eq!(
            conform::chat_request(&Schema::contract(), &chat.seen.spans()),
            []
        );
        assert_eq!(chat.index.seen.counter("faiss_wrap_search_total"), Some(0));
    }
    assert!(llm.asked().is_empty());
}

#[tokio::test]
async fn the_server_says_how_large_its_window_is_and_no_trace_knows() {
    let models = |model: Value| {
        let list = json!({"object": "list", "data": [model]});
        Router::new().route("/v1/models", getting(move || async move { Json(list) }))
    };
    let windowless = models(json!({"id": "stand-in", "object": "model"}));
    let missing = Router::new();
    let broken = Router::new().route("/v1/models", getting(|| async { StatusCode::BAD_GATEWAY }));
    for (others, all) in [
        (
            models(json!({"id": "stand-in", "max_model_len": 420})),
            false,
        ),
        (
            models(json!({"id": "x.gguf", "meta": {"n_ctx": 420, "n_ctx_train": 32768}})),
            false,
        ),
        (
            models(json!({"id": "stand-in", "max_model_len": 4096})),
            true,
        ),
        // Nobody knows: everything goes, and the server says when it is too much.
        (windowless, true),
        (missing, true),
        (broken, true),
    ] {
        let llm = FakeLlm::beside(Say::whole("4317."), others).await;
        let (messages, _) = sent(0, &llm, false).await;
        assert_eq!(messages.contains(&"old question"), all, "{messages:?}");
        assert!(messages.contains(&"new question"));
    }
}

#[tokio::test]
async fn a_server_that_counts_tokens_is_asked_when_the_estimate_is_too_much() {
    let counted: Arc<Mutex<Vec<Value>>> = Arc::default();
    // As vLLM and llama.cpp answer: a word is a token here.
    let tokenize = posting(
        |State(counted): State<Arc<Mutex<Vec<Value>>>>, Json(body): Json<Value>| async move {
            let text = body["prompt"].as_str().unwrap();
            assert_eq!(body["content"], text);
            let tokens: Vec<_> = text.split_whitespace().map(|_| 7).collect();
            counted.lock().unwrap().push(body.clone());
            Json(json!({"count": tokens.len(), "tokens": tokens}))
        },
    );
    let others = Router::new()
        .route("/tokenize", tokenize)
        .with_state(counted.clone());
    let llm = FakeLlm::beside(Say::whole("4317."), others).await;
    // By the rule the old turn does not fit; by the server's count of half as many it does.
    let (messages, _) = sent(420, &llm, true).await;
    assert!(messages.contains(&"old question"), "{messages:?}");
    assert!(!counted.lock().unwrap().is_empty());
    // By neither.
    let (messages, sources) = sent(300, &llm, true).await;
    assert!(!messages.contains(&"old question"), "{messages:?}");
    assert_eq!(sources, 1);
    // Where the estimate fits, nobody has to count.
    counted.lock().unwrap().clear();
    sent(4096, &llm, true).await;
    assert!(counted.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_long_answer_leaves_less_room() {
    let llm = FakeLlm::new(Say::whole("never asked")).await;
    let chat = Chat::new(llm.url(), |config| config.context_tokens = Some(1000)).await;
    let mut body = question(false);
    body["max_tokens"] = json!(950);
    let answer = call(&chat.app, post("/api/chat", &body)).await;
    assert_eq!(answer.status, 422);
    assert!(answer.refusal().contains("max_tokens"), "{answer:?}");
}
