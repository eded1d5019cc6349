//! Names of the past: what a name was before, and what is no longer used.

use super::finding::{FindingId, Findings, Signal};
use crate::schema::{KeyDef, MetricDef, Schema, SpanDef, Was};

/// Whether this is the name that something had before.
pub(super) fn is(was: Option<Was>, name: &str) -> bool {
    was.is_some_and(|was| was.name == name)
}

/// The key that has this name, or had it.
pub(super) fn key(schema: &Schema, name: &str) -> Option<&'static KeyDef> {
    schema.key(name).or_else(|| schema.renamed_key(name))
}

/// The span that has this name, or had it.
pub(super) fn span(schema: &Schema, name: &str) -> Option<&'static SpanDef> {
    let before = || schema.spans().find(|span| is(span.was, name));
    schema.span(name).or_else(before)
}

/// The metric that has this name, or had it.
pub(super) fn metric(schema: &Schema, name: &str) -> Option<&'static MetricDef> {
    let before = || schema.metrics().find(|metric| is(metric.was, name));
    schema.metric(name).or_else(before)
}

/// The old name is there and the new one is not.
pub(super) fn alone(signal: Signal, bearer: &str, old: &str, new: &str, findings: &mut Findings) {
    findings.improvement(
        FindingId::DeprecatedName,
        signal,
        bearer,
        format!("uses `{old}`, which is `{new}` now"),
        format!("write `{new}`, and the old name beside it for one minor version"),
    );
}

/// Something is used that should no longer be.
pub(super) fn deprecated(
    signal: Signal,
    bearer: &str,
    what: &str,
    instead: &str,
    findings: &mut Findings,
) {
    findings.information(
        FindingId::DeprecatedName,
        signal,
        bearer,
        format!("uses {what}, which is deprecated"),
        instead,
    );
}
