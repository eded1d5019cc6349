//! Breaks, one by one: what a service that is written by hand gets wrong.

mod attributes;
mod logs;
mod metrics;
mod spans;

use std::collections::BTreeSet;

use llasta_telemetry::testing::AttributeValue;
use llasta_telemetry::testing::conform::FindingId;
use serde_json::Value;

use super::capture::Captured;
use super::caught;
use super::text::{before_exemplar, of_metric};

/// A line of the contract, how it is broken, and what must be found of what.
struct Break {
    line: &'static str,
    how: &'static str,
    finds: (FindingId, &'static str),
    damage: fn(&mut Captured),
}

const fn broken(
    line: &'static str,
    how: &'static str,
    finds: (FindingId, &'static str),
    damage: fn(&mut Captured),
) -> Break {
    Break {
        line,
        how,
        finds,
        damage,
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::String(value.to_owned())
}

/// Sets an attribute of every span of this name and kind.
fn set(
    captured: &mut Captured,
    (name, kind): (&str, &str),
    attribute: &str,
    value: AttributeValue,
) {
    let spans = captured.spans(name, kind).into_iter();
    for (span, value) in spans.zip(std::iter::repeat(value)) {
        span.attributes.insert(attribute.to_owned(), value);
    }
}

/// Takes an attribute away from every span of this name and kind.
fn unset(captured: &mut Captured, (name, kind): (&str, &str), attribute: &str) {
    let spans = captured.spans(name, kind);
    let gone = spans
        .into_iter()
        .filter_map(|span| span.attributes.remove(attribute))
        .count();
    assert!(gone > 0, "no `{attribute}` on {kind} {name}");
}

/// An attribute under another name.
fn renamed(captured: &mut Captured, span: (&str, &str), from: &str, to: &str) {
    for span in captured.spans(span.0, span.1) {
        if let Some(value) = span.attributes.remove(from) {
            span.attributes.insert(to.to_owned(), value);
        }
    }
}

/// Changes the lines of one metric.
fn metric(
    captured: &mut Captured,
    service: &str,
    name: &str,
    change: impl Fn(&str) -> Option<String>,
) {
    captured.page(service, |line| {
        if of_metric(line, name) {
            change(line)
        } else {
            Some(line.to_owned())
        }
    });
}

/// Another value in the samples that begin so.
fn counted(captured: &mut Captured, service: &str, series: &str, value: &str) {
    captured.page(service, |line| {
        Some(if line.starts_with(series) {
            before_exemplar(line, |sample| {
                format!("{} {value}", &sample[..sample.rfind(' ').unwrap()])
            })
        } else {
            line.to_owned()
        })
    });
}

/// More text at the end of a page.
fn also(captured: &mut Captured, service: &str, more: &str) {
    captured.page(service, |line| {
        Some(if line == "# EOF" {
            format!("{more}\n# EOF")
        } else {
            line.to_owned()
        })
    });
}

fn without_exemplars(captured: &mut Captured, service: &str, name: &str) {
    metric(captured, service, name, |line| {
        let end = line.find(" # {").unwrap_or(line.len());
        Some(line[..end].to_owned())
    });
}

/// A field of every access line.
fn access(captured: &mut Captured, change: impl Fn(&mut Value)) {
    captured.lines(|line| {
        if line["message"] == "request" {
            change(line);
        }
        Some(())
    });
}

const CHAT: (&str, &str) = ("POST /api/chat", "SERVER");
const CALL: (&str, &str) = ("POST /search", "CLIENT");
const SERVED: (&str, &str) = ("POST /search", "SERVER");
const LLM: (&str, &str) = ("POST /v1/chat/completions", "CLIENT");
const RETRIEVE: (&str, &str) = ("rag.retrieve_context", "INTERNAL");
const CONTEXT: (&str, &str) = ("rag.build_context", "INTERNAL");
const GENERATE: (&str, &str) = ("vllm.generate", "INTERNAL");
const RESPONSE: (&str, &str) = ("vllm.response", "INTERNAL");
const SEND: (&str, &str) = ("response.send_to_frontend", "INTERNAL");
const SEARCH: (&str, &str) = ("faiss.search", "INTERNAL");
const EMBED: (&str, &str) = ("faiss.embed_query", "INTERNAL");
const INDEX: (&str, &str) = ("faiss.index_search", "INTERNAL");

/// A second, in nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// Every break, with its section.
fn breaks() -> impl Iterator<Item = (usize, &'static Break)> {
    let sections = [
        spans::BREAKS,
        attributes::BREAKS,
        metrics::BREAKS,
        logs::BREAKS,
    ];
    let numbered = (1..).zip(sections);
    numbered.flat_map(|(section, all)| all.iter().map(move |one| (section, one)))
}

#[test]
fn every_break_of_the_table_is_caught() {
    for (section, one) in breaks() {
        let what = format!("section {section}, {}: {}", one.line, one.how);
        caught(&what, one.finds.0, |captured| {
            (one.damage)(captured);
            one.finds.1.to_owned()
        });
    }
}

#[test]
fn the_table_has_a_hundred_breaks_and_every_finding_that_a_break_can_make() {
    let different: BTreeSet<_> = breaks().map(|(_, one)| (one.line, one.how)).collect();
    assert_eq!(different.len(), breaks().count());
    assert!(different.len() >= 100, "{}", different.len());
    let found: BTreeSet<_> = breaks().map(|(_, one)| one.finds.0).collect();
    let missing: Vec<_> = FindingId::ALL
        .iter()
        .filter(|id| !found.contains(id))
        .collect();
    // Where nothing comes, nothing is broken, and nothing in the contract has an old name yet.
    assert_eq!(
        missing,
        [&FindingId::NothingReceived, &FindingId::DeprecatedName]
    );
}
