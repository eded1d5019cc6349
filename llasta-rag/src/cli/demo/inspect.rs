//! What was emitted, compared with the contract.

use llasta_telemetry::Names;
use llasta_telemetry::testing::conform::{self, Finding};
use llasta_telemetry::testing::page::{self, Moved, Page};
use llasta_telemetry::testing::{CapturedPage, CapturedSpan, Evidence};
use serde::Serialize;
use serde_json::Value;

use super::children::{Child, Lines};
use crate::cli::failure::Failure;
use crate::cli::ingest;

/// The metrics pages of the three services.
#[derive(Debug)]
pub(super) struct Pages(pub(super) [(&'static str, String); 3]);

impl Pages {
    pub(super) async fn scrape(
        chatbot_rag: &Child,
        faiss_wrap: &Child,
        llm: &Child,
    ) -> Result<Self, Failure> {
        Ok(Self([
            ("chatbot-rag", scrape(chatbot_rag).await?),
            ("faiss-wrap", scrape(faiss_wrap).await?),
            ("vllm", scrape(llm).await?),
        ]))
    }
}

async fn scrape(service: &Child) -> Result<String, Failure> {
    let url = format!("{}/metrics", service.url());
    let cannot = |error: reqwest::Error| Failure::of(format!("{url} could not be read"), &error);
    let response = ingest::client(&url)?
        .get(&url)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(cannot)?;
    response.text().await.map_err(cannot)
}

/// Everything that is not as the contract says. A chat request is among the spans: without one, its
/// spans are missing.
pub(super) fn findings(spans: &[CapturedSpan], pages: &Pages, lines: &[Lines]) -> Vec<Finding> {
    let schema = llasta_rag::schema::all();
    let mut evidence = Evidence::new().spans(spans.iter().cloned());
    for (service, page) in &pages.0 {
        evidence = evidence.page(CapturedPage::read(*service, page).of_service(*service));
    }
    for service in lines {
        evidence = evidence.lines(&service.lines);
    }
    let mut all = conform::chat_request(&schema, spans);
    for finding in conform::check(&schema, &evidence, Names::Both) {
        let known = |known: &Finding| {
            (known.id, known.signal, &known.name) == (finding.id, finding.signal, &finding.name)
        };
        if !all.iter().any(known) {
            all.push(finding);
        }
    }
    all
}

/// A metric that moved, and where.
#[derive(Debug, Serialize)]
pub(super) struct MovedAt {
    pub(super) service: &'static str,
    #[serde(flatten)]
    pub(super) moved: Moved,
}

/// The metrics that the question moved. Those about the process itself always move.
pub(super) fn moved(before: &Pages, after: &Pages) -> Result<Vec<MovedAt>, Failure> {
    let mut all = Vec::new();
    for ((service, before), (_, after)) in before.0.iter().zip(&after.0) {
        let unreadable = |error| Failure::of(format!("the metrics page of {service}"), &error);
        let before = Page::parse(before).map_err(unreadable)?;
        let after = Page::parse(after).map_err(unreadable)?;
        let moved = page::moved(&before, &after)
            .into_iter()
            .filter(|moved| !moved.name.starts_with("process_"));
        all.extend(moved.map(|moved| MovedAt { service, moved }));
    }
    Ok(all)
}

/// One line of each service that belongs to the trace: its last.
pub(super) fn correlated<'a>(
    lines: &'a [Lines],
    trace_id: &str,
) -> Vec<(&'static str, Option<&'a str>)> {
    let of_trace = |line: &&String| {
        serde_json::from_str::<Value>(line)
            .is_ok_and(|line| line.get("trace_id").and_then(Value::as_str) == Some(trace_id))
    };
    lines
        .iter()
        .map(|service| {
            (
                service.service,
                service
                    .lines
                    .iter()
                    .rev()
                    .find(of_trace)
                    .map(String::as_str),
            )
        })
        .collect()
}
