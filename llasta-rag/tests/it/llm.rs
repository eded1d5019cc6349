//! The stand-in for vLLM says what a client of OpenAI's interface expects.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use futures_util::StreamExt;
use llasta_rag::service::llm::{LlmConfig, router};
use llasta_telemetry::testing::Recorder;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{Answer, Served, call, client, get, post, raw, until};

/// Longer than any test: a token that never comes.
const NEVER: Duration = Duration::from_secs(3600);

fn llm(token_delay: Duration, concurrency: usize) -> (Router, Recorder) {
    let seen = Recorder::new("vllm");
    let config = LlmConfig {
        model: "stand-in".to_owned(),
        token_delay,
        concurrency,
        max_body_bytes: 1000,
    };
    (router(config, seen.telemetry()), seen)
}

fn quick() -> (Router, Recorder) {
    llm(Duration::ZERO, 4)
}

fn request(more: &Value) -> Value {
    let mut request = json!({"model": "any", "messages": [{"role": "user", "content": "Hello?"}]});
    for (key, value) in more.as_object().unwrap() {
        request[key] = value.clone();
    }
    request
}

fn chat(more: &Value) -> axum::http::Request<Body> {
    post("/v1/chat/completions", &request(more))
}

fn chunks(answer: &Answer) -> Vec<Value> {
    let events = answer.events();
    let (done, chunks) = events.split_last().unwrap();
    assert_eq!(*done, "[DONE]");
    chunks
        .iter()
        .map(|chunk| serde_json::from_str(chunk).unwrap())
        .collect()
}

#[tokio::test]
async fn a_whole_answer_is_a_chat_completion_with_its_usage() {
    let (app, _) = quick();
    let answer = call(&app, chat(&json!({}))).await;
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["model"], "stand-in");
    assert!(answer["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert!(answer["created"].as_u64().unwrap() > 1_700_000_000);
    let choice = &answer["choices"][0];
    assert_eq!(choice["index"], 0);
    assert_eq!(choice["finish_reason"], "stop");
    assert_eq!(choice["message"]["role"], "assistant");
    assert!(!choice["message"]["content"].as_str().unwrap().is_empty());
    let usage = |key: &str| answer["usage"][key].as_u64().unwrap();
    assert!(usage("prompt_tokens") > 0 && usage("completion_tokens") > 0);
    assert_eq!(
        usage("total_tokens"),
        usage("prompt_tokens") + usage("completion_tokens")
    );
}

#[tokio::test]
async fn a_streamed_answer_is_the_same_in_chunks() {
    let (app, seen) = quick();
    let whole = call(&app, chat(&json!({}))).await.json();
    let answer = call(
        &app,
        chat(&json!({"stream": true, "stream_options": {"include_usage": true}})),
    )
    .await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let chunks = chunks(&answer);
    let [first, tokens @ .., last, usage] = &chunks[..] else {
        panic!("{chunks:?}")
    };
    assert_eq!(first["choices"][0]["delta"]["role"], "assistant");
    let content: String = tokens
        .iter()
        .map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().unwrap())
        .collect();
    assert_eq!(content, whole["choices"][0]["message"]["content"]);
    assert!(
        tokens
            .iter()
            .all(|chunk| chunk["choices"][0]["finish_reason"].is_null())
    );
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert_eq!(last["choices"][0]["delta"], json!({}));
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"], whole["usage"]);
    for chunk in &chunks {
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert_eq!(chunk["id"], first["id"]);
        assert_eq!(chunk["model"], "stand-in");
    }
    let each = whole["usage"]["completion_tokens"].as_u64().unwrap();
    assert_eq!(tokens.len() as u64, each);
    assert_eq!(seen.counter("vllm_tokens_generated_total"), Some(2 * each));
    assert_eq!(seen.counter("vllm_request_duration_seconds_count"), Some(2));
}

#[tokio::test]
async fn the_usage_chunk_comes_only_when_it_is_asked_for() {
    let (app, _) = quick();
    for options in [
        json!({"stream": true}),
        json!({"stream": true, "stream_options": {}}),
        json!({"stream": true, "stream_options": {"include_usage": false}}),
    ] {
        let answer = call(&app, chat(&options)).await;
        for chunk in chunks(&answer) {
            assert_eq!(chunk["choices"].as_array().unwrap().len(), 1);
            assert!(chunk["usage"].is_null());
        }
    }
}

#[tokio::test]
async fn max_tokens_cuts_the_answer_and_says_so() {
    let (app, _) = quick();
    let answer = call(&app, chat(&json!({"max_tokens": 2}))).await.json();
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(answer["usage"]["completion_tokens"], 2);
}

#[tokio::test]
async fn it_lists_its_model_and_its_health() {
    let (app, _) = quick();
    let models = call(&app, get("/v1/models")).await.json();
    assert_eq!(models["object"], "list");
    assert_eq!(models["data"][0]["id"], "stand-in");
    assert_eq!(models["data"][0]["object"], "model");
    let health = call(&app, get("/health")).await;
    assert_eq!(
        (health.status.as_u16(), health.json()["status"].clone()),
        (200, json!("ok"))
    );
}

#[tokio::test]
async fn a_refusal_has_the_shape_of_openais() {
    let (app, _) = quick();
    let json = Some("application/json");
    let path = "/v1/chat/completions";
    let too_large = request(&json!({"messages": [{"role": "user", "content": "a".repeat(1000)}]}));
    let of = |more: &Value| request(more).to_string();
    let bad = [
        ("POST", path, json, "{".to_owned(), 400, "not JSON"),
        ("POST", path, json, "{}".to_owned(), 400, "`messages`"),
        (
            "POST",
            path,
            json,
            of(&json!({"messages": []})),
            400,
            "messages",
        ),
        (
            "POST",
            path,
            json,
            of(&json!({"messages": [{"role": "king", "content": ""}]})),
            400,
            "messages[0].role",
        ),
        (
            "POST",
            path,
            json,
            of(&json!({"messages": [{"role": "user", "content": 7}]})),
            400,
            "messages[0].content: expected a text or a list of text parts",
        ),
        (
            "POST",
            path,
            json,
            of(&json!({"temperature": 3})),
            400,
            "temperature",
        ),
        (
            "POST",
            path,
            json,
            of(&json!({"max_tokens": 0})),
            400,
            "max_tokens",
        ),
        (
            "POST",
            path,
            json,
            of(&json!({"stream": "yes"})),
            400,
            "stream",
        ),
        ("POST", path, None, of(&json!({})), 415, "application/json"),
        ("POST", path, json, too_large.to_string(), 413, "too large"),
        ("POST", "/v1/completions", json, "{}".into(), 404, path),
        ("GET", path, None, String::new(), 405, "Allow"),
        ("POST", "/metrics", None, String::new(), 405, "Allow"),
    ];
    for (method, path, content_type, body, status, names) in bad {
        let answer = call(&app, raw(method, path, content_type, body.clone().into())).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        let json = answer.json();
        let error = json["error"].as_object().unwrap();
        assert_eq!(error["type"], "invalid_request_error");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(names), "{body}: {message}");
        assert_eq!((json.as_object().unwrap().len(), error.len()), (1, 2));
    }
}

#[tokio::test]
async fn who_finds_no_free_place_waits_and_the_gauges_say_so() {
    let (app, seen) = llm(NEVER, 1);
    let gauges = || {
        let page = seen.page();
        let value = |name: &str| page.value(&format!("{name}{{model_name=\"stand-in\"}}"));
        (value("vllm_active_requests"), value("vllm_queue_size"))
    };
    assert_eq!(gauges(), (Some(0.0), Some(0.0)));
    let mut first = begin(&app).await;
    assert!(first.next().await.is_some());
    assert_eq!(gauges(), (Some(1.0), Some(0.0)));

    let second = tokio::spawn({
        let app = app.clone();
        async move {
            let mut body = begin(&app).await;
            assert!(body.next().await.is_some());
            body
        }
    });
    // A third one waits and leaves.
    let third = tokio::spawn({
        let app = app.clone();
        async move { begin(&app).await }
    });
    until(|| gauges() == (Some(1.0), Some(2.0))).await;
    third.abort();
    until(|| gauges() == (Some(1.0), Some(1.0))).await;

    drop(first);
    let second = second.await.unwrap();
    assert_eq!(gauges(), (Some(1.0), Some(0.0)));
    drop(second);
    assert_eq!(gauges(), (Some(0.0), Some(0.0)));
    assert_eq!(seen.counter("vllm_request_duration_seconds_count"), Some(2));
}

/// A streamed request whose head has come.
async fn begin(app: &Router) -> axum::body::BodyDataStream {
    let response = app.clone().oneshot(chat(&json!({"stream": true}))).await;
    response.unwrap().into_body().into_data_stream()
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_generation() {
    for stream in [false, true] {
        let (app, seen) = llm(NEVER, 4);
        let served = Served::new(app).await;
        let active = || seen.metric("vllm_active_requests") == Some(1.0);
        let asking = tokio::spawn({
            let url = format!("{}/v1/chat/completions", served.url);
            async move {
                let request = client()
                    .post(url)
                    .json(&request(&json!({"stream": stream})));
                let mut response = request.send().await.unwrap();
                while response.chunk().await.unwrap().is_some() {}
            }
        });
        until(active).await;
        asking.abort();
        until(|| seen.metric("vllm_active_requests") == Some(0.0)).await;
    }
}
