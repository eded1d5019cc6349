//! What was emitted, compared with the contract.

use llasta_telemetry::Names;
use llasta_telemetry::schema::chatbot::ChatbotMetrics;
use llasta_telemetry::schema::faiss_wrap::FaissWrapMetrics;
use llasta_telemetry::schema::sdk::{BuildMetrics, SdkMetrics};
use llasta_telemetry::schema::vllm::VllmMetrics;
use llasta_telemetry::schema::{MetricDef, Schema};
use llasta_telemetry::testing::CapturedSpan;
use llasta_telemetry::testing::conform::{self, Finding};
use llasta_telemetry::testing::page::{self, Moved, Page};
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

/// What every service says of its process, where the system tells.
pub(super) const PROCESS: Option<&str> = if cfg!(target_os = "linux") {
    Some("process_*")
} else {
    None
};

/// Everything that is not as the contract says.
pub(super) fn findings(spans: &[CapturedSpan], pages: &Pages, lines: &[Lines]) -> Vec<Finding> {
    let schema = Schema::contract();
    let mut all = conform::chat_request(&schema, spans);
    all.extend(conform::spans(&schema, spans, Names::Both));
    let own: [&[MetricDef]; 3] = [
        ChatbotMetrics::DEFS,
        FaissWrapMetrics::DEFS,
        VllmMetrics::DEFS,
    ];
    for ((_, page), own) in pages.0.iter().zip(own) {
        let everywhere = SdkMetrics::DEFS.iter().chain(BuildMetrics::DEFS);
        let names: Vec<&str> = own
            .iter()
            .chain(everywhere)
            .map(|metric| metric.name)
            .chain(PROCESS)
            .collect();
        all.extend(conform::metrics(&schema, page, &names));
    }
    for service in lines {
        let lines: Vec<&str> = service.lines.iter().map(String::as_str).collect();
        all.extend(conform::log_lines(&lines));
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
