//! A request is sent again when nobody was there to take it, and only then.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::routing::post as posting;
use axum::{Json, Router};
use llasta_telemetry::Names;
use llasta_telemetry::schema::Schema;
use llasta_telemetry::testing::{CapturedSpan, conform};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket};

use crate::support::{Chat, FakeLlm, Say, Served, call, nobody, post, question, settled, until};

const SEARCH: &str = "POST /search";
const COMPLETIONS: &str = "POST /v1/chat/completions";

/// An address that is taken and where nobody listens yet.
fn silent() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    (socket, url)
}

/// The attempts at a call, in their order.
fn attempts(chat: &Chat, call: &str) -> Vec<CapturedSpan> {
    let spans = chat.seen.spans().into_iter();
    let mut calls: Vec<_> = spans
        .filter(|span| span.name == call && span.kind == "CLIENT")
        .collect();
    calls.sort_by_key(|span| span.int("http.request.resend_count"));
    calls
}

#[tokio::test]
async fn a_neighbour_that_comes_up_is_reached_by_a_later_attempt() {
    for stream in [false, true] {
        let say = if stream {
            Say::stream(&["Yes."])
        } else {
            Say::whole("Yes.")
        };
        let llm = FakeLlm::new(say).await;
        let (late_llm, llm_url) = silent();
        let (late_search, search_url) = silent();
        let chat = Chat::new(&llm_url, |config| {
            config.connect_retries = 1000;
            config.faiss_wrap_url = search_url;
        })
        .await;
        let asking = tokio::spawn({
            let app = chat.app.clone();
            async move { call(&app, post("/api/chat", &question(stream))).await }
        });
        until(|| !attempts(&chat, SEARCH).is_empty()).await;
        let _search = Served::on(late_search.listen(16).unwrap(), chat.index.app.clone());
        until(|| !attempts(&chat, COMPLETIONS).is_empty()).await;
        let _llm = Served::on(late_llm.listen(16).unwrap(), llm.app.clone());

        let answer = asking.await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.text.contains("Yes."), "{answer:?}");
        assert_eq!(llm.asked().len(), 1);
        let spans = chat.spans().await;
        for name in [SEARCH, COMPLETIONS] {
            let attempts = attempts(&chat, name);
            let (last, failed) = attempts.split_last().unwrap();
            assert!(!failed.is_empty(), "{name}");
            for span in failed {
                assert_eq!(span.text("error.type"), Some("connect_error"));
            }
            assert_eq!(last.int("http.response.status_code"), Some(200));
            assert_eq!(
                last.int("http.request.resend_count"),
                Some(failed.len() as i64)
            );
        }
        // The neighbours' traces go on below the attempts that reached them.
        assert_eq!(conform::chat_request(&Schema::contract(), &spans), []);
        assert_eq!(conform::spans(&Schema::contract(), &spans, Names::Both), []);
        for service in ["faiss", "vllm"] {
            let total = format!("chatbot_{service}_requests_total");
            assert_eq!(chat.count(&total), 1);
            assert_eq!(chat.count(&format!("{total}{{status=\"success\"}}")), 1);
        }
    }
}

#[tokio::test]
async fn attempts_are_bounded() {
    for retries in [0, 1, 3] {
        let chat = Chat::new(&nobody(), |config| config.connect_retries = retries).await;
        let answer = call(&chat.app, post("/api/chat", &question(false))).await;
        assert_eq!(answer.status, 502, "{answer:?}");
        settled(&chat.seen, "POST /api/chat").await;
        assert_eq!(attempts(&chat, COMPLETIONS).len(), retries as usize + 1);
        assert_eq!(
            conform::chat_request(&Schema::contract(), &chat.spans().await),
            []
        );
    }
}

#[tokio::test]
async fn what_a_neighbour_may_have_read_is_not_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let accepting = tokio::spawn({
        let connections = connections.clone();
        async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                // It reads, and goes away without a word.
                let _ = connection.read(&mut [0; 64]).await;
            }
        }
    });
    let chat = Chat::new(&url, |config| {
        config.connect_retries = 5;
        // The server is not asked for it, which would be a connection of its own.
        config.context_tokens = Some(100_000);
    })
    .await;
    let answer = call(&chat.app, post("/api/chat", &question(false))).await;
    assert_eq!(answer.status, 502, "{answer:?}");
    settled(&chat.seen, "POST /api/chat").await;
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    assert_eq!(attempts(&chat, COMPLETIONS).len(), 1);
    accepting.abort();
}

#[tokio::test]
async fn an_answer_that_is_a_refusal_is_not_asked_for_again() {
    let refused = Arc::new(AtomicUsize::new(0));
    let refusing = Router::new().route(
        "/search",
        posting({
            let refused = refused.clone();
            move || async move {
                refused.fetch_add(1, Ordering::SeqCst);
                (axum::http::StatusCode::SERVICE_UNAVAILABLE, Json(json!({})))
            }
        }),
    );
    let refusing = Served::new(refusing).await;
    let llm = FakeLlm::new(Say::whole("Yes.")).await;
    let chat = Chat::new(llm.url(), |config| {
        config.faiss_wrap_url.clone_from(&refusing.url);
    })
    .await;
    chat.ask(&question(false)).await;
    assert_eq!(refused.load(Ordering::SeqCst), 1);
}
