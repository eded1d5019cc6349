//! `llasta demo`: one chat request, end to end, on real services, with its telemetry.
//!
//! `children` runs the three services, `inspect` compares what they emitted with the contract,
//! `print` shows it.

mod children;
mod inspect;
mod print;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use llasta_telemetry::testing::conform::Finding;
use llasta_telemetry::testing::{CapturedSpan, OtlpReceiver};

use self::children::{Child, Scratch};
use self::inspect::Pages;
use super::args::DemoArgs;
use super::failure::Failure;
use super::{ask, ingest};

/// How long the last spans may be on their way.
const SPANS_DEADLINE: Duration = Duration::from_secs(10);

/// The Milvus collection that the demo's documents go to, and stay in, where none is named.
const COLLECTION: &str = "llasta_demo";

/// Spans of one chat request, by the contract.
const CHAT_SPANS: usize = 12;

/// Spans of the LLM server's own in it.
const LLM_SPANS: usize = 1;

pub(super) async fn run(arguments: &DemoArgs) -> Result<(), Failure> {
    let docs = docs(arguments.docs.as_deref())?;
    let say = |text: &str| {
        if !arguments.json {
            eprintln!("{text}");
        }
    };

    let mut receiver = OtlpReceiver::bind("127.0.0.1:0").await?;
    if let Some(endpoint) = std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT")
        .ok()
        .filter(|text| !text.trim().is_empty())
    {
        say(&format!("Spans also go to {endpoint}."));
        receiver = receiver.forward_to(endpoint.trim())?;
    }
    let scratch = Scratch::create()?;
    say("Starting faiss-wrap, the stand-in LLM and chatbot-rag …");
    let mut index = arguments.index.variables();
    index.extend(arguments.milvus.variables(COLLECTION));
    let mut variables = vec![("DATA_DIR", scratch.path())];
    variables.extend(index.iter().map(|(name, value)| (*name, value.as_str())));
    let faiss_wrap = Child::start("faiss-wrap", &receiver, &variables).await?;
    let llm = Child::start("llm", &receiver, &[]).await?;
    let neighbours = [
        ("FAISS_WRAP_URL", faiss_wrap.url()),
        ("VLLM_BASE_URL", llm.url()),
    ];
    let chatbot_rag = Child::start("chatbot-rag", &receiver, &neighbours).await?;

    let how = ingest::How {
        progress: !arguments.json,
        ..ingest::How::default()
    };
    let ingested = ingest::ingest(faiss_wrap.url(), std::slice::from_ref(&docs), &how).await?;
    if let Some((path, why)) = ingested.failed.first() {
        return Err(Failure::new(format!("{}: {why}", path.display())));
    }
    // A collection in Milvus stays when the demo has ended, and a second one finds it as it was.
    if ingested.chunks == 0 && ingested.unchanged == 0 {
        return Err(Failure::new(format!(
            "there is nothing to read in {}",
            docs.display()
        )));
    }
    let there = match ingested.unchanged {
        0 => String::new(),
        files => format!(" {files} files were there already."),
    };
    say(&format!(
        "Ingested {}: {} chunks of {} files.{there}",
        docs.display(),
        ingested.chunks,
        ingested.files
    ));

    let before = Pages::scrape(&chatbot_rag, &faiss_wrap, &llm).await?;
    let answer = ask::ask(
        chatbot_rag.url(),
        &arguments.question,
        arguments.stream,
        |_| {},
    )
    .await?;
    let after = Pages::scrape(&chatbot_rag, &faiss_wrap, &llm).await?;

    let trace_id = answer.trace_id.clone();
    let of_trace = |spans: &[CapturedSpan]| {
        spans
            .iter()
            .filter(|span| span.trace_id == trace_id)
            .count()
    };
    let mut spans = receiver
        .wait_until(
            |spans| of_trace(spans) >= CHAT_SPANS + LLM_SPANS,
            SPANS_DEADLINE,
        )
        .await;
    // The order matters to nobody but the services: who asks stops first.
    let lines = [
        chatbot_rag.stop().await?,
        faiss_wrap.stop().await?,
        llm.stop().await?,
    ];
    spans.extend(receiver.take_spans().into_iter().skip(spans.len()));
    spans.retain(|span| span.trace_id == trace_id);
    spans.sort_by_key(|span| span.start_unix_nano);

    let forwarded = receiver.forwarded();
    if forwarded.spans.failed > 0 {
        let why = forwarded.last_error.unwrap_or_default();
        eprintln!(
            "{} spans could not be passed on to OTEL_EXPORTER_OTLP_ENDPOINT: {why}",
            forwarded.spans.failed
        );
    }
    let findings = inspect::findings(&spans, &after, &lines);
    let seen = print::Seen {
        question: &arguments.question,
        answer: &answer,
        spans: &spans,
        moved: inspect::moved(&before, &after)?,
        lines: inspect::correlated(&lines, &trace_id),
        findings: &findings,
    };
    if arguments.json {
        println!("{}", seen.json());
    } else {
        print!("{seen}");
    }
    verdict(&findings)
}

/// What the findings say has been shown by now.
fn verdict(findings: &[Finding]) -> Result<(), Failure> {
    if findings.is_empty() {
        Ok(())
    } else {
        Err(Failure::said())
    }
}

/// The folder that is ingested: the given one, or `docs` here or in a folder above.
fn docs(given: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(given) = given {
        return Ok(given.to_owned());
    }
    let here = std::env::current_dir()
        .map_err(|error| Failure::of("there is no current folder", &error))?;
    let found = here
        .ancestors()
        .map(|folder| folder.join("docs"))
        .find(|docs| docs.is_dir());
    let found = found.ok_or_else(|| {
        Failure::setting("there is no folder `docs` here or above: run the demo inside the repository, or name a folder with --docs")
    })?;
    Ok(found
        .strip_prefix(&here)
        .map(Path::to_owned)
        .unwrap_or(found))
}
