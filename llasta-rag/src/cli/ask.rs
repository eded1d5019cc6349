//! `llasta ask`

use std::io::Write;

use futures_util::StreamExt;
use llasta_rag::api::chat::{ChatAnswer, ChatRequest, Source, StreamEnd};
use llasta_rag::generate::{ChatMessage, Role, SseParser};
use serde_json::Value;

use super::args::AskArgs;
use super::failure::Failure;
use super::ingest::{answer, client};

pub(super) async fn run(arguments: &AskArgs) -> Result<(), Failure> {
    let answer = ask(
        &arguments.chatbot_rag_url,
        &arguments.question,
        arguments.stream,
        |piece| {
            print!("{piece}");
            let _ = std::io::stdout().flush();
        },
    )
    .await?;
    if arguments.stream {
        println!();
    } else {
        println!("{}", answer.message.content);
    }
    println!("\nSources:\n{}", sources(&answer.sources));
    println!("trace_id: {}", answer.trace_id);
    Ok(())
}

/// A list of passages, one a line.
pub(super) fn sources(sources: &[Source]) -> String {
    if sources.is_empty() {
        return "  none: no passage was similar enough".to_owned();
    }
    let text = |source: &Source, key: &str| {
        source
            .passage
            .metadata
            .get(key)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let lines = sources.iter().map(|source| {
        let name = text(source, "source").unwrap_or_else(|| source.passage.id.clone());
        let heading = text(source, "heading")
            .map(|heading| format!(" · {heading}"))
            .unwrap_or_default();
        let page = source
            .passage
            .metadata
            .get("page")
            .and_then(Value::as_u64)
            .map(|page| format!(", page {page}"))
            .unwrap_or_default();
        let (number, score) = (source.number, source.passage.score);
        format!("  [{number}] {score:.3}  {name}{page}{heading}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Asks, streamed or not; `piece` sees what arrives of a stream.
pub(super) async fn ask(
    url: &str,
    question: &str,
    stream: bool,
    piece: impl FnMut(&str),
) -> Result<ChatAnswer, Failure> {
    let request = ChatRequest {
        messages: vec![ChatMessage::new(Role::User, question)],
        stream,
        max_tokens: None,
        temperature: 0.7,
        think_mode: true,
    };
    let response = client(url)?
        .post(format!("{url}/api/chat"))
        .json(&request)
        .send()
        .await
        .map_err(|error| {
            Failure::of(
                format!("chatbot-rag cannot be reached at {url} (--chatbot-rag-url)"),
                &error,
            )
        })?;
    if stream && response.status().is_success() {
        read(response, piece).await
    } else {
        answer(response).await
    }
}

/// Puts the events of a stream together.
async fn read(
    response: reqwest::Response,
    mut piece: impl FnMut(&str),
) -> Result<ChatAnswer, Failure> {
    let mut parser = SseParser::default();
    let mut said = String::new();
    let mut end: Option<StreamEnd> = None;
    let mut bytes = response.bytes_stream();
    while let Some(chunk) = bytes.next().await {
        let chunk = chunk.map_err(|error| Failure::of("the answer broke off", &error))?;
        for event in parser
            .push(&chunk)
            .map_err(|error| Failure::of("the answer is no event stream", &error))?
        {
            if event.is_done() {
                continue;
            }
            let data: Value = serde_json::from_str(&event.data)
                .map_err(|error| Failure::of("an event of the answer cannot be read", &error))?;
            if let Some(error) = data.get("error").and_then(Value::as_str) {
                return Err(Failure::new(error));
            } else if let Some(content) = data.get("content").and_then(Value::as_str) {
                piece(content);
                said.push_str(content);
            } else {
                end = Some(
                    serde_json::from_value(data)
                        .map_err(|error| Failure::of("the last event cannot be read", &error))?,
                );
            }
        }
    }
    let end = end.ok_or_else(|| Failure::new("the answer broke off before its sources"))?;
    Ok(ChatAnswer {
        message: ChatMessage::new(Role::Assistant, said.trim()),
        thinking_content: end.thinking_content,
        usage: end.usage,
        sources: end.sources,
        trace_id: end.trace_id,
    })
}
