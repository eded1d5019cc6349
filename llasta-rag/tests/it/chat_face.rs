//! What else chatbot-rag answers: its health, its page, and its refusals.

use axum::body::Body;
use serde_json::json;

use crate::support::{Chat, FakeLlm, Say, call, get, keys, nobody, post, raw};

#[tokio::test]
async fn the_health_says_which_neighbour_is_down() {
    let llm = FakeLlm::new(Say::Nothing).await;
    let away = nobody();
    for (index_is_up, llm_is_up) in [(true, true), (false, true), (true, false), (false, false)] {
        let llm_url = if llm_is_up { llm.url() } else { &away };
        let chat = Chat::new(llm_url, |config| {
            if !index_is_up {
                config.faiss_wrap_url.clone_from(&away);
            }
        })
        .await;
        let answer = call(&chat.app, get("/health")).await;
        assert_eq!(answer.status, 200);
        let health = answer.json();
        assert_eq!(keys(&health), ["faiss_wrap", "status", "vllm"]);
        let status = if index_is_up && llm_is_up {
            "ok"
        } else {
            "degraded"
        };
        assert_eq!(health["status"], status);
        for (key, is_up) in [("faiss_wrap", index_is_up), ("vllm", llm_is_up)] {
            let said = health[key].as_str().unwrap();
            assert_eq!(said == "ok", is_up, "{key}: {said}");
            assert!(is_up || said.contains("unreachable"), "{key}: {said}");
        }
        // A probe every few seconds makes no trace, nor do the requests it leads to.
        assert!(chat.seen.spans().is_empty());
    }
}

#[tokio::test]
async fn the_front_page_is_html() {
    let chat = Chat::new(&nobody(), |_| {}).await;
    let answer = call(&chat.app, get("/")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("text/html"));
    let page = include_str!("../../src/service/chatbot_rag/page.html");
    assert_eq!(answer.text, page);
}

#[tokio::test]
async fn bad_input_is_refused_with_the_field_before_anybody_is_asked() {
    let llm = FakeLlm::new(Say::whole("never asked")).await;
    let chat = Chat::new(llm.url(), |config| config.max_body_bytes = 1000).await;
    let user = json!([{"role": "user", "content": "Hello?"}]);
    for (body, status, names) in [
        (json!({}), 422, "`messages`"),
        (json!([]), 422, "expected an object"),
        (
            json!({"messages": [["user", "Hello?"]]}),
            422,
            "messages[0]",
        ),
        (json!({"messages": []}), 422, "messages"),
        (json!({"messages": "Hello?"}), 422, "messages"),
        (
            json!({"messages": [{"role": "system", "content": "Be kind."}]}),
            422,
            "messages: there is no message with the role `user`",
        ),
        (
            json!({"messages": [{"role": "user", "content": " \n"}]}),
            422,
            "messages: the last user message is blank",
        ),
        (json!({"messages": [{"role": "user"}]}), 422, "blank"),
        (
            json!({"messages": [{"role": "king", "content": "Hello?"}]}),
            422,
            "messages[0].role",
        ),
        (
            json!({"messages": [{"role": "user", "content": 7}]}),
            422,
            "messages[0].content: expected a text",
        ),
        (
            json!({"messages": user, "temperature": 2.1}),
            422,
            "temperature",
        ),
        (
            json!({"messages": user, "temperature": -0.1}),
            422,
            "temperature",
        ),
        (
            json!({"messages": user, "temperature": "hot"}),
            422,
            "temperature",
        ),
        (
            json!({"messages": user, "max_tokens": 0}),
            422,
            "max_tokens",
        ),
        (
            json!({"messages": user, "max_tokens": -1}),
            422,
            "max_tokens",
        ),
        (json!({"messages": user, "stream": "yes"}), 422, "stream"),
        (
            json!({"messages": user, "think_mode": 1}),
            422,
            "think_mode",
        ),
        (
            json!({"messages": [{"role": "user", "content": "a".repeat(1000)}]}),
            413,
            "--max-body-bytes",
        ),
    ] {
        let answer = call(&chat.app, post("/api/chat", &body)).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        let refusal = answer.refusal();
        assert!(refusal.contains(names), "{body}: {refusal}");
    }
    for (content_type, body, status) in [
        (Some("application/json"), "{", 400),
        (None, "{}", 415),
        (Some("text/plain"), "{}", 415),
    ] {
        let request = raw("POST", "/api/chat", content_type, Body::from(body));
        let answer = call(&chat.app, request).await;
        assert_eq!(answer.status, status);
        answer.refusal();
    }
    assert!(llm.asked().is_empty());
    assert_eq!(chat.index.seen.counter("faiss_wrap_search_total"), Some(0));
    assert_eq!(chat.count("chatbot_requests_total{status=\"error\"}"), 0);
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_are_refused_like_anything_else() {
    let chat = Chat::new(&nobody(), |_| {}).await;
    for path in ["/api", "/api/chat/", "/favicon.ico"] {
        let answer = call(&chat.app, get(path)).await;
        assert_eq!(answer.status, 404);
        assert!(answer.refusal().contains("/api/chat"));
    }
    for (method, path, allowed) in [
        ("GET", "/api/chat", "POST"),
        ("POST", "/", "GET,HEAD"),
        ("POST", "/metrics", "GET,HEAD"),
    ] {
        let answer = call(&chat.app, raw(method, path, None, Body::empty())).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("allow")),
            (405, allowed)
        );
        answer.refusal();
    }
}
