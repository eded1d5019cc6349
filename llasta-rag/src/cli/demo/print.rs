//! What the demo shows: for people, or as one JSON object.

use std::fmt;

use llasta_rag::api::chat::ChatAnswer;
use llasta_telemetry::testing::conform::Finding;
use llasta_telemetry::testing::{Breakdown, CapturedSpan, Waterfall};
use serde_json::{Value, json};

use super::inspect::MovedAt;
use crate::cli::ask;

/// Everything the demo saw.
pub(super) struct Seen<'a> {
    pub(super) question: &'a str,
    pub(super) answer: &'a ChatAnswer,
    pub(super) spans: &'a [CapturedSpan],
    pub(super) moved: Vec<MovedAt>,
    pub(super) lines: Vec<(&'static str, Option<&'a str>)>,
    pub(super) findings: &'a [Finding],
}

impl Seen<'_> {
    pub(super) fn json(&self) -> Value {
        json!({
            "question": self.question,
            "answer": self.answer.message.content,
            "sources": self.answer.sources,
            "usage": self.answer.usage,
            "trace_id": self.answer.trace_id,
            "spans": self.spans,
            "metrics": self.moved,
            "findings": self.findings,
        })
    }
}

impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nQuestion\n  {}", self.question)?;
        writeln!(f, "\nAnswer\n{}", indented(&self.answer.message.content))?;
        writeln!(f, "\nSources\n{}", ask::sources(&self.answer.sources))?;
        writeln!(
            f,
            "\nTrace {}\n{}",
            self.answer.trace_id,
            indented(&Waterfall::new(self.spans).to_string())
        )?;
        if let Some(breakdown) = Breakdown::of(self.spans) {
            writeln!(
                f,
                "\nLatency breakdown\n{}",
                indented(&breakdown.to_string())
            )?;
        }
        writeln!(f, "\nMetrics that moved")?;
        // Twenty lines for each histogram would hide the rest.
        for MovedAt { service, moved } in self
            .moved
            .iter()
            .filter(|at| !at.moved.name.ends_with("_bucket"))
        {
            writeln!(f, "  {service:<12} {moved}")?;
        }
        writeln!(f, "\nLog lines of this trace")?;
        for (service, line) in &self.lines {
            writeln!(f, "  {service:<12} {}", line.unwrap_or("none"))?;
        }
        writeln!(f, "\nConformance")?;
        if self.findings.is_empty() {
            return writeln!(
                f,
                "  {} spans, their tree, attributes and types, every documented metric of three services and all log\n  lines are as the contract says: 0 findings.",
                self.spans.len()
            );
        }
        for finding in self.findings {
            writeln!(f, "  {finding}")?;
        }
        writeln!(f, "  {} findings.", self.findings.len())
    }
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text
        .trim_end()
        .lines()
        .map(|line| {
            if line.is_empty() {
                String::new()
            } else {
                format!("  {line}")
            }
        })
        .collect();
    lines.join("\n")
}
