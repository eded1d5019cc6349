//! What chatbot-rag does when a neighbour fails and when the client leaves.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post as posting;
use serde_json::{Value, json};

use crate::support::{
    Answer, Chat, FakeLlm, QUESTION, Say, Served, call, client, nobody, post, question, settled,
    streamed, until,
};

const CHATS: &str = "chatbot_requests_total{endpoint=\"/api/chat\"";

fn of(status: &str) -> String {
    format!("{CHATS},status=\"{status}\"}}")
}

#[tokio::test]
async fn without_faiss_wrap_the_chat_goes_on_without_context_and_says_so() {
    let broken = |status: StatusCode, body: &'static str| {
        Router::new().route("/search", posting(move || async move { (status, body) }))
    };
    let failing = Served::new(broken(StatusCode::INTERNAL_SERVER_ERROR, "{}")).await;
    let babbling = Served::new(broken(StatusCode::OK, "no JSON")).await;
    for (url, word) in [
        (nobody(), "faiss_wrap_unreachable"),
        (failing.url.clone(), "faiss_wrap_error"),
        (babbling.url.clone(), "faiss_wrap_bad_answer"),
    ] {
        for stream in [false, true] {
            let say = if stream {
                Say::stream(&["Who knows."])
            } else {
                Say::whole("Who knows.")
            };
            let llm = FakeLlm::new(say).await;
            let chat = Chat::new(llm.url(), |config| config.faiss_wrap_url.clone_from(&url)).await;
            let answer = chat.ask(&question(stream)).await;
            let sources = if stream {
                streamed(&answer).1["sources"].clone()
            } else {
                answer.json()["sources"].clone()
            };
            assert_eq!(sources, json!([]));
            let (_, asked) = llm.only();
            assert_eq!(
                asked["messages"],
                json!([{"role": "user", "content": QUESTION}])
            );

            settled(&chat.seen, "POST /api/chat").await;
            let span = chat.seen.span("rag.retrieve_context").unwrap();
            assert_eq!(
                (span.status, span.text("error.type")),
                ("error", Some(word))
            );
            assert_eq!(span.int("rag.results_raw_count"), None);
            let server = chat.seen.span("POST /api/chat").unwrap();
            assert_eq!(server.status, "unset");
            assert_eq!(
                chat.count("chatbot_faiss_requests_total{status=\"error\"}"),
                1
            );
            assert_eq!(chat.count("chatbot_faiss_requests_total"), 1);
            assert_eq!(chat.count(&of("success")), 1);
        }
    }
}

/// Asks of a failing LLM and waits until the request is settled.
async fn failing(url: &str, stream: bool) -> (Chat, Answer) {
    let chat = Chat::new(url, |_| {}).await;
    let answer = call(&chat.app, post("/api/chat", &question(stream))).await;
    settled(&chat.seen, "POST /api/chat").await;
    assert_eq!(
        chat.count("chatbot_vllm_requests_total{status=\"error\"}"),
        1
    );
    assert_eq!(chat.count("chatbot_vllm_requests_total"), 1);
    assert_eq!(chat.count(&of("error")), 1);
    assert_eq!(chat.count("chatbot_requests_total"), 1);
    assert_eq!(chat.count("chatbot_requests_in_flight"), 0);
    assert_eq!(
        chat.count("chatbot_faiss_requests_total{status=\"success\"}"),
        1
    );
    assert_eq!(access(&chat), [("ERROR".to_owned(), "error".to_owned())]);
    (chat, answer)
}

/// Level and outcome of each access line.
fn access(chat: &Chat) -> Vec<(String, String)> {
    let lines = chat.seen.log_lines().into_iter();
    let lines = lines.map(|line| serde_json::from_str::<Value>(&line).unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    lines
        .filter(|line| line["message"] == "request")
        .map(|line| (text(&line["level"]), text(&line["outcome"])))
        .collect()
}

/// What is said when nothing but an error comes of a stream, after these pieces.
fn error_after(answer: &Answer, pieces: &[&str]) -> String {
    assert_eq!(answer.status, 200);
    let events = answer.events();
    let events: Vec<Value> = events
        .iter()
        .map(|event| serde_json::from_str(event).unwrap())
        .collect();
    let (last, first) = events.split_last().unwrap();
    let said: Vec<_> = first.iter().map(|event| event["content"].clone()).collect();
    assert_eq!(said, pieces);
    assert_eq!(last.as_object().unwrap().len(), 1, "{last}");
    last["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_llm_that_is_down_is_a_bad_gateway_or_an_error_event() {
    let url = nobody();
    let (chat, answer) = failing(&url, false).await;
    assert_eq!(answer.status, 502);
    assert!(answer.refusal().contains("cannot be reached"), "{answer:?}");
    let server = chat.seen.span("POST /api/chat").unwrap();
    assert_eq!(
        (server.status, server.text("error.type")),
        ("error", Some("502"))
    );

    let (chat, answer) = failing(&url, true).await;
    assert!(error_after(&answer, &[]).contains("cannot be reached"));
    let server = chat.seen.span("POST /api/chat").unwrap();
    assert_eq!(server.text("error.type"), Some("llm_unreachable"));
    for name in ["vllm.generate", "POST /v1/chat/completions"] {
        let spans = chat.seen.spans().into_iter();
        let spans: Vec<_> = spans.filter(|span| span.name == name).collect();
        assert!(!spans.is_empty(), "{name}");
        assert!(spans.iter().all(|span| span.status == "error"), "{name}");
    }
}

#[tokio::test]
async fn what_the_llm_says_about_its_failure_reaches_whoever_asked() {
    let openai = json!({"error": {"message": "the context is too long", "type": "x", "code": 400}});
    for (status, body, said) in [
        (
            400,
            openai.to_string(),
            "400 Bad Request: the context is too long",
        ),
        (
            500,
            "out of memory".to_owned(),
            "500 Internal Server Error: out of memory",
        ),
        (503, String::new(), "503 Service Unavailable"),
    ] {
        let llm = FakeLlm::new(Say::Status(status, body)).await;
        let (_, answer) = failing(llm.url(), false).await;
        assert_eq!(answer.status, 502);
        assert!(answer.refusal().contains(said), "{answer:?}");
        let (chat, answer) = failing(llm.url(), true).await;
        assert!(error_after(&answer, &[]).contains(said), "{answer:?}");
        let span = chat.seen.span("vllm.generate").unwrap();
        assert_eq!(span.text("error.type"), Some("llm_error"));
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_an_error() {
    for body in ["no JSON", "{}", r#"{"choices": []}"#, ""] {
        let llm = FakeLlm::new(Say::Status(200, body.to_owned())).await;
        let (chat, answer) = failing(llm.url(), false).await;
        assert_eq!(answer.status, 502);
        assert!(answer.refusal().contains("cannot be read"), "{answer:?}");
        let span = chat.seen.span("vllm.generate").unwrap();
        assert_eq!(span.text("error.type"), Some("llm_bad_answer"), "{body}");
    }
}

#[tokio::test]
async fn a_stream_that_goes_wrong_in_the_middle_ends_in_an_error_event() {
    let begun = || vec![Say::piece("The port"), Say::piece(" is")];
    let and = |event: &str| {
        let mut events = begun();
        events.push(event.to_owned());
        Say::Stream(events)
    };
    let gave_up = "data: {\"error\": {\"message\": \"out of memory\", \"type\": \"x\"}}\n\n";
    for (say, word, why) in [
        (Say::Break(begun()), "llm_broke_off", "broke off"),
        (Say::Stream(begun()), "llm_bad_answer", "[DONE]"),
        (and(gave_up), "llm_error", "out of memory"),
        (
            and("data: nonsense\n\n"),
            "llm_bad_answer",
            "cannot be read",
        ),
    ] {
        let llm = FakeLlm::new(say.clone()).await;
        let (chat, answer) = failing(llm.url(), true).await;
        let error = error_after(&answer, &["The port", " is"]);
        assert!(error.contains(why), "{say:?}: {error}");
        let server = chat.seen.span("POST /api/chat").unwrap();
        assert_eq!(
            (server.status, server.text("error.type")),
            ("error", Some(word))
        );
        let response = chat.seen.span("vllm.response").unwrap();
        assert_eq!(response.int("llm.final_chars"), Some(11), "{say:?}");
        assert_eq!(chat.seen.span("vllm.generate").unwrap().status, "error");
    }
}

#[tokio::test]
async fn an_llm_that_says_nothing_is_given_up() {
    for (say, stream) in [
        (Say::Nothing, false),
        (Say::Nothing, true),
        (Say::Silence(vec![Say::piece("The port")]), true),
    ] {
        let llm = FakeLlm::new(say.clone()).await;
        let chat = Chat::new(llm.url(), |config| {
            config.llm_timeout = std::time::Duration::from_millis(50);
        })
        .await;
        let answer = call(&chat.app, post("/api/chat", &question(stream))).await;
        if stream {
            let pieces: &[_] = match say {
                Say::Nothing => &[],
                _ => &["The port"],
            };
            error_after(&answer, pieces);
        } else {
            assert!(answer.status.is_server_error(), "{answer:?}");
            answer.refusal();
        }
        settled(&chat.seen, "POST /api/chat").await;
        let span = chat.seen.span("vllm.generate").unwrap();
        assert_eq!(span.text("error.type"), Some("timeout"), "{say:?}");
        assert_eq!(chat.count(&of("error")), 1);
        llm.open(0).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_request_to_the_llm_along() {
    for (say, stream) in [
        (Say::Silence(vec![Say::piece("The port")]), true),
        (Say::Nothing, true),
        (Say::Nothing, false),
    ] {
        let llm = FakeLlm::new(say.clone()).await;
        let chat = Chat::new(llm.url(), |_| {}).await;
        let served = Served::new(chat.app.clone()).await;
        let asking = tokio::spawn({
            let url = format!("{}/api/chat", served.url);
            async move {
                let request = client().post(url).json(&question(stream));
                let mut response = request.send().await.unwrap();
                assert_eq!(
                    response.chunk().await.unwrap().unwrap(),
                    "data: {\"content\":\"The port\"}\n\n"
                );
                // Dropping the response closes the connection.
            }
        });
        llm.open(1).await;
        if matches!(say, Say::Silence(_)) {
            asking.await.unwrap();
        } else {
            assert_eq!(chat.count("chatbot_requests_in_flight"), 1);
            asking.abort();
        }
        llm.open(0).await;

        settled(&chat.seen, "POST /api/chat").await;
        let server = chat.seen.span("POST /api/chat").unwrap();
        assert_eq!(server.text("error.type"), Some("client_disconnect"));
        assert_eq!(chat.count(&of("cancelled")), 1, "{say:?}");
        assert_eq!(chat.count("chatbot_requests_total"), 1);
        assert_eq!(chat.count("chatbot_requests_in_flight"), 0);
        assert_eq!(
            chat.count("chatbot_vllm_requests_total{status=\"cancelled\"}"),
            1
        );
        assert_eq!(chat.count("chatbot_vllm_requests_total"), 1);
        assert_eq!(access(&chat), [("INFO".to_owned(), "cancelled".to_owned())]);
        // The rest of the trace is there, whole.
        let names = [
            "vllm.generate",
            "POST /v1/chat/completions",
            "rag.build_context",
        ];
        until(|| names.iter().all(|name| chat.seen.span(name).is_some())).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_during_the_search_cancels_it() {
    let hanging = Router::new().route("/search", posting(std::future::pending::<()>));
    let hanging = Served::new(hanging).await;
    let llm = FakeLlm::new(Say::whole("never asked")).await;
    let chat = Chat::new(llm.url(), |config| {
        config.faiss_wrap_url.clone_from(&hanging.url);
    })
    .await;
    let asking = tokio::spawn({
        let app = chat.app.clone();
        async move { call(&app, post("/api/chat", &question(false))).await }
    });
    until(|| chat.count("chatbot_requests_in_flight") == 1).await;
    asking.abort();
    settled(&chat.seen, "POST /api/chat").await;
    assert_eq!(
        chat.count("chatbot_faiss_requests_total{status=\"cancelled\"}"),
        1
    );
    assert_eq!(chat.count(&of("cancelled")), 1);
    assert_eq!(chat.count("chatbot_vllm_requests_total"), 0);
    assert!(llm.asked().is_empty());
}
