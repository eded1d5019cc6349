//! The stream of a chat completion, instrumented: time to the first token, time for each further
//! one, usage and thinking are measured while the chunks pass, whatever client they come from.
//!
//! Run it with `cargo run -p llasta-examples --example 04_streaming_llm`. It prints:
//!
//! ```text
//! <think>Grafana shows it.</think>Look at Grafana.
//! vllm.generate     INTERNAL  chatbot-rag  300 ms  100.0 %
//! └─ vllm.response  INTERNAL  chatbot-rag  250 ms   83.3 %
//! llm.time_per_output_token = 0.02142857142857143
//! llm.time_to_first_token = 0.05
//! llm.tokens_completion = 8
//! llm.tokens_prompt = 250
//! ```

use std::error::Error;
use std::io;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use llasta_telemetry::llm::{ChatCall, ChatRequest, ChunkView, InstrumentLlm, Usage};
use llasta_telemetry::schema::chatbot::ChatbotMetrics;
use llasta_telemetry::testing::{Recorder, Waterfall};
use serde_json::{Value, json};

/// What a server would send, 50 ms apart.
fn chunks(seen: &Recorder) -> impl Stream<Item = io::Result<Value>> + Unpin {
    let piece = |text: &str| json!({"choices": [{"delta": {"content": text}}]});
    let chunks = [
        piece("<think>Grafana shows"),
        piece(" it.</think>"),
        piece("Look at"),
        piece(" Grafana."),
        json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 250, "completion_tokens": 8}}),
    ];
    let clock = seen.clone();
    stream::iter(chunks).map(move |chunk| {
        clock.clock().advance(Duration::from_millis(50));
        Ok(chunk)
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let seen = Recorder::new("chatbot-rag");
    let metrics = ChatbotMetrics::register(seen.telemetry().registry());
    let request = ChatRequest {
        model: "Qwen/Qwen3-8B",
        messages: 2,
        size: 612,
        stream: true,
        temperature: Some(0.7),
        max_tokens: None,
    };
    let call = ChatCall::start_in(seen.telemetry(), request, Some(metrics.llm(request.model)));

    // This is all there is to do: the closure says what a chunk of this client brings.
    let mut stream = chunks(&seen).instrument_llm_with(call, |chunk: &Value| ChunkView {
        content: chunk["choices"][0]["delta"]["content"].as_str(),
        finish_reason: chunk["choices"][0]["finish_reason"].as_str(),
        usage: chunk["usage"].is_object().then(|| Usage {
            prompt: chunk["usage"]["prompt_tokens"].as_u64(),
            completion: chunk["usage"]["completion_tokens"].as_u64(),
            total: None,
        }),
        ..ChunkView::default()
    });
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        let piece = chunk["choices"][0]["delta"]["content"].as_str();
        print!("{}", piece.unwrap_or_default());
    }
    println!();
    drop(stream);

    let spans = seen.spans();
    print!("{}", Waterfall::new(&spans));
    for (name, value) in &spans[1].attributes {
        if name.starts_with("llm.to") || name.starts_with("llm.time") {
            println!("{name} = {value}");
        }
    }
    Ok(())
}
