//! Chat completions, streamed or not, and the ways they end.

mod adapters;
mod pace;

use std::convert::Infallible;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use llasta_telemetry::content::{ContentPolicy, Messages};
use llasta_telemetry::context::with_baggage;
use llasta_telemetry::llm::{
    ChatCall, ChatChunk, ChatRequest, InstrumentLlm, LlmMetrics, Part, Usage,
};
use llasta_telemetry::schema::LabelSet;
use llasta_telemetry::schema::chatbot::ChatbotMetrics;
use llasta_telemetry::schema::labels::Outcome;
use llasta_telemetry::schema::otel::CONVERSATION_ID;
use llasta_telemetry::schema::response::SendToFrontend;
use llasta_telemetry::span::Sampler;
use llasta_telemetry::testing::Recorder;
use llasta_telemetry::{Guard, Telemetry};
use serde_json::json;
use tokio::sync::mpsc;

use super::support::{Collector, PATIENCE, Span, Spans, eager, telemetry};

#[derive(Debug, Default, Clone)]
struct Chunk {
    content: Option<&'static str>,
    reasoning: Option<&'static str>,
    finish_reason: Option<&'static str>,
    usage: Option<Usage>,
}

impl ChatChunk for Chunk {
    fn content(&self) -> Option<&str> {
        self.content
    }

    fn reasoning(&self) -> Option<&str> {
        self.reasoning
    }

    fn finish_reason(&self) -> Option<&str> {
        self.finish_reason
    }

    fn usage(&self) -> Option<Usage> {
        self.usage
    }
}

fn text(content: &'static str) -> Chunk {
    Chunk {
        content: Some(content),
        ..Chunk::default()
    }
}

fn reasoning(piece: &'static str) -> Chunk {
    Chunk {
        reasoning: Some(piece),
        ..Chunk::default()
    }
}

fn stop() -> Chunk {
    Chunk {
        finish_reason: Some("stop"),
        ..Chunk::default()
    }
}

/// The last chunk of all: no choices, only the usage block.
fn usage() -> Chunk {
    Chunk {
        usage: Some(Usage {
            prompt: Some(250),
            completion: Some(5),
            total: Some(255),
        }),
        ..Chunk::default()
    }
}

struct Bot {
    telemetry: Guard,
    collector: Collector,
    metrics: LlmMetrics,
}

impl Bot {
    fn new() -> Self {
        let collector = Collector::start();
        let (telemetry, _) = telemetry("chatbot-rag", &collector);
        Self::of(telemetry, collector)
    }

    fn of(telemetry: Guard, collector: Collector) -> Self {
        let metrics = ChatbotMetrics::register(telemetry.registry()).llm("tiny");
        Self {
            telemetry,
            collector,
            metrics,
        }
    }

    fn call(&self, stream: bool) -> ChatCall {
        let request = ChatRequest {
            model: "tiny",
            messages: 3,
            size: 2048,
            stream,
            temperature: Some(0.7),
            max_tokens: None,
        };
        ChatCall::start_in(&self.telemetry, request, Some(self.metrics.clone()))
    }

    /// Sends these chunks through the instrument, to their end.
    async fn stream(&self, chunks: Vec<Chunk>) {
        let chunks = futures_util::stream::iter(chunks.into_iter().map(Ok::<_, Infallible>));
        let seen = chunks.instrument_llm(self.call(true)).count().await;
        assert!(seen > 0);
    }

    async fn spans(&mut self) -> Vec<Span> {
        self.telemetry.flush(PATIENCE).await;
        self.collector.arrived()
    }

    fn counted(&self, outcome: Outcome) {
        let counts: Vec<u64> = self
            .metrics
            .requests
            .iter()
            .map(|one| one.value())
            .collect();
        let mut expected = vec![0; Outcome::VALUES.len()];
        expected[outcome.index()] = 1;
        assert_eq!(counts, expected, "success, error, cancelled");
    }
}

/// A stream whose chunks the test sends one by one.
fn by_hand() -> (
    mpsc::UnboundedSender<Result<Chunk, String>>,
    impl Stream<Item = Result<Chunk, String>> + Unpin,
) {
    let (send, chunks) = mpsc::unbounded_channel();
    let stream = futures_util::stream::unfold(chunks, |mut chunks| async {
        chunks.recv().await.map(|chunk| (chunk, chunks))
    });
    (send, Box::pin(stream))
}

#[tokio::test]
async fn a_streamed_answer_is_recorded_with_what_the_usage_chunk_says() {
    let mut bot = Bot::new();
    let answer = ["<thi", "nk>hm ü</think>", "Yes", "."];
    let chunks = answer.map(text).into_iter().chain([stop(), usage()]);
    bot.stream(chunks.collect()).await;
    bot.counted(Outcome::Success);

    let spans = bot.spans().await;
    let (generate, response) = (spans.named("vllm.generate"), spans.named("vllm.response"));
    assert_eq!(generate.status(), 0);
    for (name, value) in [
        ("llm.model", "tiny".into()),
        ("gen_ai.request.model", "tiny".into()),
        ("llm.messages_count", json!(3)),
        ("llm.request_size", json!(2048)),
        ("llm.stream", true.into()),
        ("llm.temperature", 0.7.into()),
        ("llm.tokens_prompt", json!(250)),
        ("llm.tokens_completion", json!(5)),
        ("llm.tokens_total", json!(255)),
        ("llm.finish_reason", "stop".into()),
        ("llm.max_tokens", serde_json::Value::Null),
    ] {
        assert_eq!(generate.get(name), value, "{name}");
    }
    for (name, value) in [
        ("llm.response_chars", json!(23)),
        ("llm.thinking_chars", json!(4)),
        ("llm.final_chars", json!(4)),
        ("llm.has_thinking", true.into()),
        ("llm.tokens_completion", json!(5)),
    ] {
        assert_eq!(response.get(name), value, "{name}");
    }
    assert_eq!(response.parent(), generate.span_id());
    assert!(generate.proto.start_time_unix_nano <= response.proto.start_time_unix_nano);
    assert!(response.proto.end_time_unix_nano <= generate.proto.end_time_unix_nano);

    let metrics = &bot.metrics;
    assert_eq!(metrics.prompt_tokens.value(), 250);
    assert_eq!(metrics.completion_tokens.value(), 5);
    assert_eq!(metrics.time_to_first_token.count(), 1);
    assert_eq!(metrics.time_per_output_token.count(), 1);
    let first = generate.get("llm.time_to_first_token").as_f64().unwrap();
    assert!((metrics.time_to_first_token.sum() - first).abs() < 1e-9);
}

#[tokio::test]
async fn token_times_are_those_of_the_first_and_the_last_piece() {
    const PAUSE: Duration = Duration::from_millis(40);
    let mut bot = Bot::new();
    let (send, chunks) = by_hand();
    let mut stream = chunks.instrument_llm(bot.call(true));
    // The role comes before the first token and counts for nothing.
    send.send(Ok(text(""))).unwrap();
    stream.next().await;
    for piece in ["Yes", ", ", "it is."] {
        // These are the distances of the tokens and wait for nothing.
        tokio::time::sleep(PAUSE).await;
        send.send(Ok(text(piece))).unwrap();
        stream.next().await;
    }
    tokio::time::sleep(PAUSE).await;
    send.send(Ok(usage())).unwrap();
    drop(send);
    assert_eq!(stream.count().await, 1);

    let spans = bot.spans().await;
    let generate = spans.named("vllm.generate");
    let first = generate.get("llm.time_to_first_token").as_f64().unwrap();
    let each = generate.get("llm.time_per_output_token").as_f64().unwrap();
    let pause = PAUSE.as_secs_f64();
    assert!(first >= pause, "{first}");
    // Two pauses lie between the first and the last of five tokens, and the end is not one.
    assert!(each >= 2.0 * pause / 4.0, "{each}");
    assert!(4.0 * each + first <= generate.seconds() - pause + 1e-3);
    assert!((bot.metrics.time_per_output_token.sum() - each).abs() < 1e-9);
    let response = spans.named("vllm.response");
    assert!(response.seconds() <= generate.seconds() - pause + 1e-3);
}

#[tokio::test]
async fn without_a_usage_chunk_no_tokens_are_said() {
    let mut bot = Bot::new();
    bot.stream(vec![text("Yes."), stop()]).await;
    let spans = bot.spans().await;
    let generate = spans.named("vllm.generate").attributes();
    assert!(
        !generate
            .keys()
            .any(|key| key.contains("tokens") && key != "llm.max_tokens")
    );
    assert!(!generate.contains_key("llm.time_per_output_token"));
    assert_eq!(bot.metrics.prompt_tokens.value(), 0);
    assert_eq!(bot.metrics.time_per_output_token.count(), 0);
    assert_eq!(bot.metrics.time_to_first_token.count(), 1);
}

#[tokio::test]
async fn a_stream_that_nobody_reads_on_is_cancelled() {
    for read in [0, 1] {
        let mut bot = Bot::new();
        let (send, chunks) = by_hand();
        let mut stream = chunks.instrument_llm(bot.call(true));
        for _ in 0..read {
            send.send(Ok(text("Yes, "))).unwrap();
            stream.next().await;
        }
        assert_eq!(bot.spans().await.len(), 0);
        drop(stream);
        bot.counted(Outcome::Cancelled);
        let spans = bot.spans().await;
        assert_eq!(spans.len(), 1 + read);
        assert_eq!(spans.named("vllm.generate").status(), 0);
        if read > 0 {
            assert_eq!(spans.named("vllm.response").get("llm.final_chars"), 5);
            assert_eq!(bot.metrics.time_to_first_token.count(), 1);
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_dropped_after_its_finish_reason_is_whole() {
    let mut bot = Bot::new();
    let (send, chunks) = by_hand();
    let mut stream = chunks.instrument_llm(bot.call(true));
    for chunk in [text("Yes. <"), stop()] {
        send.send(Ok(chunk)).unwrap();
        stream.next().await;
    }
    drop(stream);
    bot.counted(Outcome::Success);
    let spans = bot.spans().await;
    assert_eq!(spans.named("vllm.response").get("llm.final_chars"), 6);
}

#[tokio::test]
async fn a_stream_that_breaks_is_an_error() {
    let mut bot = Bot::new();
    let (send, chunks) = by_hand();
    let mut stream = chunks.instrument_llm(bot.call(true));
    send.send(Ok(text("Yes, "))).unwrap();
    stream.next().await;
    send.send(Err("connection reset".to_owned())).unwrap();
    assert!(stream.next().await.unwrap().is_err());
    // It is settled at the error, although the stream is still held.
    bot.counted(Outcome::Error);
    let spans = bot.spans().await;
    for name in ["vllm.generate", "vllm.response"] {
        assert_eq!(spans.named(name).status(), 2, "{name}");
        assert_eq!(spans.named(name).get("error.type"), "stream_error");
        assert_eq!(spans.named(name).get("error.message"), "connection reset");
    }
    drop(send);
    assert!(stream.next().await.is_none());
    drop(stream);
    bot.counted(Outcome::Error);
    assert!(bot.spans().await.is_empty());
}

#[tokio::test]
async fn metrics_do_not_depend_on_the_sampler() {
    let collector = Collector::start();
    let telemetry = Telemetry::builder("chatbot-rag")
        .otlp_endpoint(collector.endpoint())
        .queue(eager())
        .sampler(Sampler::AlwaysOff)
        .build()
        .unwrap();
    let mut bot = Bot::of(telemetry, collector);
    bot.stream(vec![text("Ye"), text("s."), stop(), usage()])
        .await;
    bot.counted(Outcome::Success);
    assert_eq!(bot.metrics.prompt_tokens.value(), 250);
    assert_eq!(bot.metrics.completion_tokens.value(), 5);
    assert_eq!(bot.metrics.time_to_first_token.count(), 1);
    assert_eq!(bot.metrics.time_per_output_token.count(), 1);
    assert!(bot.spans().await.is_empty());
}

#[tokio::test]
async fn what_the_server_marks_as_reasoning_is_thinking() {
    let mut bot = Bot::new();
    bot.stream(vec![
        reasoning("hm, "),
        reasoning("well"),
        text("Yes."),
        stop(),
    ])
    .await;
    let spans = bot.spans().await;
    let response = spans.named("vllm.response");
    assert_eq!(response.get("llm.thinking_chars"), 8);
    assert_eq!(response.get("llm.final_chars"), 4);
    assert_eq!(response.get("llm.response_chars"), 12);
    assert_eq!(response.get("llm.has_thinking"), true);
    // A token is a token, thought or said.
    assert_eq!(bot.metrics.time_to_first_token.count(), 1);
}

#[tokio::test]
async fn a_whole_answer_has_no_token_times() {
    let mut bot = Bot::new();
    let mut call = bot.call(false);
    let (mut thinking, mut answer) = (String::new(), String::new());
    let mut take = |part, piece: &str| match part {
        Part::Thinking => thinking.push_str(piece),
        Part::Final => answer.push_str(piece),
    };
    call.text("<think>hm</think>Yes. <", &mut take);
    call.finish_reason("length");
    call.usage(usage().usage.unwrap());
    call.complete(&mut take);
    assert_eq!((&*thinking, &*answer), ("hm", "Yes. <"));
    bot.counted(Outcome::Success);
    let spans = bot.spans().await;
    let generate = spans.named("vllm.generate");
    assert_eq!(generate.get("llm.stream"), false);
    assert_eq!(generate.get("llm.finish_reason"), "length");
    assert!(generate.get("llm.time_to_first_token").is_null());
    assert!(generate.get("llm.time_per_output_token").is_null());
    assert_eq!(spans.named("vllm.response").get("llm.final_chars"), 6);
    assert_eq!(bot.metrics.time_to_first_token.count(), 0);
}

#[tokio::test]
async fn an_empty_answer_has_a_response_of_nothing() {
    let mut bot = Bot::new();
    bot.stream(vec![stop()]).await;
    bot.counted(Outcome::Success);
    let spans = bot.spans().await;
    let response = spans.named("vllm.response");
    assert_eq!(response.get("llm.response_chars"), 0);
    assert_eq!(response.get("llm.has_thinking"), false);
    assert_eq!(response.parent(), spans.named("vllm.generate").span_id());
}

#[tokio::test]
async fn a_call_that_fails_is_an_error() {
    let mut bot = Bot::new();
    bot.call(false).fail("503", "overloaded");
    bot.counted(Outcome::Error);
    let spans = bot.spans().await;
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].status(), 2);
    assert_eq!(spans[0].get("error.type"), "503");
}

#[tokio::test]
async fn what_the_stream_does_is_done_inside_generate() {
    let mut bot = Bot::new();
    let call = bot.call(true);
    let chunks = futures_util::stream::once(async {
        SendToFrontend::start().finish(1, 1, false);
        Ok::<_, Infallible>(text("Yes."))
    });
    let chunks = Box::pin(chunks.instrument_llm(call));
    chunks.count().await;
    let spans = bot.spans().await;
    let inner = spans.named("response.send_to_frontend");
    assert_eq!(inner.parent(), spans.named("vllm.generate").span_id());
}

#[test]
fn message_content_in_an_event_says_which_conversation_it_belongs_to() {
    let policy = ContentPolicy::new(None, Messages::EventOnly);
    let recorder = Recorder::builder("chatbot-rag").content(policy).build();
    let scope = with_baggage([(CONVERSATION_ID.name(), "c-17"), ("tenant", "acme")]);
    let _entered = scope.enter();
    let request = ChatRequest {
        model: "tiny",
        messages: 1,
        size: 10,
        stream: false,
        temperature: None,
        max_tokens: None,
    };
    let call = ChatCall::start_in(recorder.telemetry(), request, None);
    call.input_messages(|| "[1]".to_owned());
    let lines = recorder.log_lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(line["llm.input_messages"], "[1]");
    assert_eq!(line["gen_ai.conversation.id"], "c-17");
    assert!(line["tenant"].is_null());
}
