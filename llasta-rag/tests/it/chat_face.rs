//! What else chatbot-rag answers: its health, its page, and its refusals.

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::routing::get as getting;
use llasta_rag::service::chatbot_rag::Grafana;
use serde_json::json;

use crate::support::{Chat, FakeLlm, Say, Served, call, get, keys, nobody, post, raw};

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
    assert!(answer.text.starts_with("<!doctype html>"), "{answer:?}");
    // Whatever is to run or to be loaded is named, by its hash.
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; connect-src 'self'"));
    assert_eq!(policy.matches("'sha256-").count(), 2, "{policy}");
    assert!(
        !policy.contains("unsafe") && !policy.contains('*'),
        "{policy}"
    );
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn the_page_is_told_where_traces_are_looked_at() {
    let place = |url: &str, uid: &str| {
        format!("<meta name=\"grafana\" content=\"{url}\" data-tempo=\"{uid}\">")
    };
    let chat = Chat::new(&nobody(), |_| {}).await;
    let page = call(&chat.app, get("/")).await.text;
    assert!(page.contains(&place("", "")));
    let chat = Chat::new(&nobody(), |config| {
        config.grafana = Some(Grafana {
            url: "https://grafana.example.com".to_owned(),
            tempo_uid: "traces".to_owned(),
        });
    })
    .await;
    let page = call(&chat.app, get("/")).await.text;
    assert!(page.contains(&place("https://grafana.example.com", "traces")));
}

#[tokio::test]
async fn a_server_without_a_health_path_is_well_when_it_lists_its_models() {
    for (status, is_well) in [(StatusCode::OK, true), (StatusCode::UNAUTHORIZED, false)] {
        let models = Router::new().route("/v1/models", getting(move || async move { status }));
        let served = Served::new(models).await;
        let chat = Chat::new(&served.url, |_| {}).await;
        let health = call(&chat.app, get("/health")).await.json();
        let said = health["vllm"].as_str().unwrap();
        assert_eq!(said == "ok", is_well, "{said}");
        assert!(is_well || said.contains("/v1/models answers 401"), "{said}");
    }
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
