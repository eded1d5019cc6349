//! Chunks of other people's types: of the `async-openai` crate, and read by hand from a server.

use std::convert::Infallible;

use async_openai::types::chat::{CreateChatCompletionStreamResponse, FinishReason};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http_body::Frame;
use llasta_telemetry::client::{TelemetryMiddleware, UrlTemplate};
use llasta_telemetry::llm::{ChunkView, InstrumentLlm, Usage};
use llasta_telemetry::schema::labels::Outcome;
use reqwest_middleware::ClientBuilder;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::super::support::{Spans, serve, stream_of};
use super::Bot;

fn chunk(choices: &Value, usage: &Value) -> Value {
    json!({
        "id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "tiny",
        "choices": choices, "usage": usage,
    })
}

/// As OpenAI's servers send them: the role, two pieces, the reason, and the usage without a choice.
fn chunks() -> Vec<Value> {
    let choice = |delta: Value, reason: Value| {
        chunk(
            &json!([{"index": 0, "delta": delta, "finish_reason": reason}]),
            &Value::Null,
        )
    };
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9});
    vec![
        choice(json!({"role": "assistant", "content": ""}), Value::Null),
        choice(json!({"content": "Yes"}), Value::Null),
        choice(json!({"content": "."}), Value::Null),
        choice(json!({}), json!("stop")),
        chunk(&json!([]), &usage),
    ]
}

const USAGE: Usage = Usage {
    prompt: Some(7),
    completion: Some(2),
    total: Some(9),
};

/// What `async-openai`'s chunk brings.
fn of_async_openai(chunk: &CreateChatCompletionStreamResponse) -> ChunkView<'_> {
    let choice = chunk.choices.first();
    ChunkView {
        content: choice.and_then(|choice| choice.delta.content.as_deref()),
        reasoning: None,
        finish_reason: choice
            .and_then(|choice| choice.finish_reason)
            .map(|reason| match reason {
                FinishReason::Stop => "stop",
                FinishReason::Length => "length",
                FinishReason::ToolCalls => "tool_calls",
                FinishReason::ContentFilter => "content_filter",
                FinishReason::FunctionCall => "function_call",
            }),
        usage: chunk.usage.as_ref().map(|usage| Usage {
            prompt: Some(usage.prompt_tokens.into()),
            completion: Some(usage.completion_tokens.into()),
            total: Some(usage.total_tokens.into()),
        }),
    }
}

/// What a chunk brings that was only parsed as JSON.
fn of_json(chunk: &Value) -> ChunkView<'_> {
    let delta = &chunk["choices"][0]["delta"];
    ChunkView {
        content: delta["content"].as_str(),
        reasoning: delta["reasoning_content"].as_str(),
        finish_reason: chunk["choices"][0]["finish_reason"].as_str(),
        usage: chunk["usage"].as_object().map(|usage| Usage {
            prompt: usage["prompt_tokens"].as_u64(),
            completion: usage["completion_tokens"].as_u64(),
            total: usage["total_tokens"].as_u64(),
        }),
    }
}

async fn recorded(bot: &mut Bot) {
    bot.counted(Outcome::Success);
    let spans = bot.spans().await;
    let (generate, response) = (spans.named("vllm.generate"), spans.named("vllm.response"));
    assert_eq!(generate.get("llm.finish_reason"), "stop");
    assert_eq!(generate.get("llm.tokens_prompt"), 7);
    assert_eq!(generate.get("llm.tokens_completion"), 2);
    assert!(generate.get("llm.time_per_output_token").is_f64());
    assert_eq!(response.get("llm.final_chars"), 4);
    assert_eq!(bot.metrics.completion_tokens.value(), 2);
}

#[tokio::test]
async fn a_stream_of_async_openai_is_recorded() {
    let mut bot = Bot::new();
    let typed = chunks().into_iter().map(|chunk| {
        Ok::<_, Infallible>(serde_json::from_value(chunk).expect("a chunk of async-openai's"))
    });
    let stream = futures_util::stream::iter(typed);
    let mut stream = stream.instrument_llm_with(bot.call(true), of_async_openai);
    let mut answer = String::new();
    while let Some(chunk) = stream.next().await {
        answer.extend(of_async_openai(&chunk.unwrap()).content);
        let usage = stream.call().map(|call| call.summary().usage);
        assert!(usage == Some(Usage::default()) || usage == Some(USAGE));
    }
    assert!(stream.call().is_none());
    assert_eq!(answer, "Yes.");
    recorded(&mut bot).await;
}

/// The chunks of a server's answer, until `[DONE]`. What comes behind it is not waited for.
fn events(answer: reqwest::Response) -> impl Stream<Item = Result<Value, String>> + Unpin {
    let read =
        futures_util::stream::unfold((answer, String::new()), |(mut answer, mut text)| async {
            loop {
                if let Some((event, rest)) = text.split_once("\n\n") {
                    let data = event.strip_prefix("data: ").unwrap_or(event);
                    if data == "[DONE]" {
                        return None;
                    }
                    let chunk = serde_json::from_str(data).map_err(|error| error.to_string());
                    let rest = rest.to_owned();
                    return Some((chunk, (answer, rest)));
                }
                match answer.chunk().await {
                    Ok(Some(bytes)) => text.push_str(std::str::from_utf8(&bytes).unwrap()),
                    Ok(None) => return None,
                    Err(error) => return Some((Err(error.to_string()), (answer, text))),
                }
            }
        });
    Box::pin(read)
}

type Sender = tokio::sync::mpsc::UnboundedSender<
    Result<Frame<Bytes>, Box<dyn std::error::Error + Send + Sync>>,
>;

fn say(server: &Sender, data: impl std::fmt::Display) {
    let event = Bytes::from(format!("data: {data}\n\n"));
    server.send(Ok(Frame::data(event))).unwrap();
}

/// A call to a server whose words the test speaks.
async fn asked(
    bot: &Bot,
) -> (
    Sender,
    impl Stream<Item = Result<Value, String>> + Unpin + use<>,
) {
    let (server, body) = stream_of();
    let body = std::sync::Arc::new(Mutex::new(Some(body)));
    let app = Router::new().fallback(move || {
        let body: std::sync::Arc<Mutex<Option<Body>>> = body.clone();
        async move { Response::new(body.lock().await.take().unwrap()) }
    });
    let address = serve(app).await;
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(TelemetryMiddleware::new())
        .build();
    let call = bot.call(true);
    let request = client
        .post(format!("http://{address}/v1/chat/completions"))
        .with_extension(UrlTemplate("/v1/chat/completions"));
    let answer = call.span().run(request.send()).await.unwrap();
    (server, events(answer).instrument_llm_with(call, of_json))
}

/// The spans in the order they ended: a parent after its children.
async fn order(bot: &mut Bot) -> Vec<String> {
    let spans = bot.spans().await;
    let generate = spans.named("vllm.generate").span_id();
    for span in spans.iter().filter(|span| span.span_id() != generate) {
        assert_eq!(span.parent(), generate, "{}", span.name());
    }
    spans.iter().map(|span| span.name().to_owned()).collect()
}

const WHOLE: [&str; 3] = [
    "POST /v1/chat/completions",
    "vllm.response",
    "vllm.generate",
];

#[tokio::test]
async fn a_server_s_events_read_by_hand_are_recorded() {
    let mut bot = Bot::new();
    let (server, stream) = asked(&bot).await;
    for chunk in chunks() {
        say(&server, chunk);
    }
    // The server does not hang up after its last word.
    say(&server, "[DONE]");
    assert_eq!(stream.count().await, chunks().len());
    recorded(&mut bot).await;
}

#[tokio::test]
async fn the_request_s_span_ends_before_the_call_s_however_the_stream_ends() {
    // Read to its end, while the connection stays open.
    let mut bot = Bot::new();
    let (server, mut stream) = asked(&bot).await;
    for chunk in chunks() {
        say(&server, chunk);
    }
    say(&server, "[DONE]");
    while stream.next().await.is_some() {}
    assert_eq!(order(&mut bot).await, WHOLE);
    drop(stream);

    // Dropped behind the finish reason, and in the middle.
    for (read, outcome) in [(4, Outcome::Success), (2, Outcome::Cancelled)] {
        let mut bot = Bot::new();
        let (server, mut stream) = asked(&bot).await;
        for chunk in chunks().into_iter().take(read) {
            say(&server, chunk);
            stream.next().await.unwrap().unwrap();
        }
        drop(stream);
        bot.counted(outcome);
        assert_eq!(order(&mut bot).await, WHOLE);
    }

    // Broken off.
    let mut bot = Bot::new();
    let (server, mut stream) = asked(&bot).await;
    say(&server, chunks().remove(1));
    stream.next().await.unwrap().unwrap();
    server.send(Err("gone".into())).unwrap();
    assert!(stream.next().await.unwrap().is_err());
    bot.counted(Outcome::Error);
    assert_eq!(order(&mut bot).await, WHOLE);
}

#[tokio::test]
async fn an_answer_in_one_piece_is_recorded() {
    let mut bot = Bot::new();
    let answer = ChunkView {
        content: Some("Yes."),
        reasoning: Some("hm"),
        finish_reason: Some("stop"),
        usage: Some(USAGE),
    };
    let mut said = String::new();
    let counts = bot
        .call(false)
        .answer(answer, |_, text| said.push_str(text));
    assert_eq!(said, "hmYes.");
    assert_eq!((counts.thinking_chars(), counts.final_chars()), (2, 4));
    bot.counted(Outcome::Success);
    let spans = bot.spans().await;
    assert_eq!(spans.named("vllm.generate").get("llm.tokens_total"), 9);
    assert_eq!(
        spans.named("vllm.generate").get("llm.finish_reason"),
        "stop"
    );
    assert_eq!(spans.named("vllm.response").get("llm.has_thinking"), true);
    assert_eq!(bot.metrics.time_to_first_token.count(), 0);
}
