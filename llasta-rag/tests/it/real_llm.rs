//! A real model behind llama.cpp's server answers, streams, and is stopped.
//!
//! `.ci/llm-check` starts the server and runs these.

use std::time::Duration;

use llasta_telemetry::Names;
use llasta_telemetry::schema::Schema;
use llasta_telemetry::testing::conform;
use serde_json::{Value, json};

use crate::support::{Chat, Served, client, settled, streamed, until};

/// Where the server is. It has one slot.
fn server() -> String {
    std::env::var("LLASTA_TEST_LLM_URL").expect("LLASTA_TEST_LLM_URL says where the server is")
}

fn asked(stream: bool, max_tokens: u32) -> Value {
    json!({
        "messages": [{"role": "user", "content": "On which port does the collector listen?"}],
        "stream": stream, "max_tokens": max_tokens, "temperature": 0
    })
}

#[tokio::test]
#[ignore = "needs a llama.cpp server: .ci/llm-check"]
async fn a_real_model_answers_whole_and_streamed_with_usage_and_trace() {
    for stream in [false, true] {
        let chat = Chat::new(&server(), |_| {}).await;
        let answer = chat.ask(&asked(stream, 24)).await;
        let (said, end) = if stream {
            let (pieces, end) = streamed(&answer);
            assert!(pieces.len() > 1, "{pieces:?}");
            (pieces.concat(), end)
        } else {
            let answer = answer.json();
            let said = answer["message"]["content"].as_str().unwrap().to_owned();
            (said, answer)
        };
        assert!(!said.trim().is_empty());
        assert_eq!(end["sources"][0]["id"], "ports");
        let usage = |key: &str| end["usage"][key].as_i64().unwrap();
        // The passage is in the prompt, so it is longer than the question.
        assert!(usage("prompt_tokens") > 60, "{end}");
        assert!((1..=24).contains(&usage("completion_tokens")), "{end}");

        let spans = chat.spans().await;
        let schema = Schema::contract();
        assert_eq!(conform::chat_request(&schema, &spans), []);
        assert_eq!(conform::spans(&schema, &spans, Names::Both), []);
        chat.seen.assert_conforms(&schema);
        chat.index.seen.assert_conforms(&schema);
        for name in ["vllm.generate", "vllm.response"] {
            let span = chat.seen.span(name).unwrap();
            for (key, of_usage) in [
                ("llm.tokens_prompt", "prompt_tokens"),
                ("llm.tokens_completion", "completion_tokens"),
                ("llm.tokens_total", "total_tokens"),
            ] {
                assert_eq!(span.int(key), Some(usage(of_usage)), "{name}: {key}");
            }
        }
        let span = chat.seen.span("vllm.generate").unwrap();
        assert_eq!(span.double("llm.time_to_first_token").is_some(), stream);
        let completion = "chatbot_llm_tokens_total{model=\"stand-in\",type=\"completion\"}";
        assert_eq!(chat.count(completion) as i64, usage("completion_tokens"));
    }
}

#[tokio::test]
#[ignore = "needs a llama.cpp server: .ci/llm-check"]
async fn its_window_is_respected_by_its_own_count() {
    let chat = Chat::new(&server(), |_| {}).await;
    // Turns that together are longer than any window the server is started with.
    let mut messages = Vec::new();
    for _ in 0..60 {
        messages.push(json!({"role": "user", "content": "Tell me more about cats. ".repeat(40)}));
        messages.push(json!({"role": "assistant", "content": "They sleep."}));
    }
    messages.push(asked(false, 1)["messages"][0].clone());
    let mut body = asked(false, 8);
    body["messages"] = json!(messages);
    let answer = chat.ask(&body).await.json();
    assert_eq!(answer["sources"][0]["id"], "ports");
    let prompt = answer["usage"]["prompt_tokens"].as_u64().unwrap();
    let window = window().await;
    assert!(prompt + 8 <= window, "{prompt} of {window}");
    // What was left out was not more than it had to be.
    assert!(prompt + 8 + 64 + 1000 > window, "{prompt} of {window}");
}

async fn window() -> u64 {
    let models = client().get(format!("{}/v1/models", server())).send().await;
    let models: Value = models.unwrap().json().await.unwrap();
    models["data"][0]["meta"]["n_ctx"].as_u64().unwrap()
}

/// Whether any slot of the server is at work.
async fn busy() -> bool {
    let slots = client().get(format!("{}/slots", server())).send().await;
    let slots: Value = slots.unwrap().json().await.unwrap();
    let slots = slots.as_array().unwrap();
    assert!(!slots.is_empty());
    slots.iter().any(|slot| slot["is_processing"] == true)
}

#[tokio::test]
#[ignore = "needs a llama.cpp server: .ci/llm-check"]
async fn a_browser_that_leaves_stops_the_model() {
    let chat = Chat::new(&server(), |_| {}).await;
    let served = Served::new(chat.app.clone()).await;
    let mut body = asked(true, 1500);
    // Whatever the model would say of itself, it has much to say.
    body["messages"][0]["content"] =
        json!("Count from one to five thousand about the collector port.");
    let request = client()
        .post(format!("{}/api/chat", served.url))
        .json(&body);
    let mut response = request.send().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    assert!(busy().await, "the model had nothing more to say");
    drop(response);
    settled(&chat.seen, "POST /api/chat").await;
    let span = chat.seen.span("POST /api/chat").unwrap();
    assert_eq!(span.text("error.type"), Some("client_disconnect"));
    assert_eq!(
        chat.count("chatbot_vllm_requests_total{status=\"cancelled\"}"),
        1
    );
    let names = ["vllm.generate", "POST /v1/chat/completions"];
    until(|| names.iter().all(|name| chat.seen.span(name).is_some())).await;
    // Long before it could have said all of it.
    let free = async {
        while busy().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), free)
        .await
        .expect("the slot is free again");
    chat.seen.assert_conforms(&Schema::contract());
}
