//! What a span stands under.

use std::collections::HashMap;

use super::excuse::has_left;
use super::finding::{FindingId, Findings};
use super::old;
use crate::schema::{Kind, Parent, Schema, SpanDef};
use crate::testing::CapturedSpan;

/// Spans by their trace and their own id.
pub(super) type ById<'a> = HashMap<(&'a str, &'a str), &'a CapturedSpan>;

pub(super) fn by_id(spans: &[CapturedSpan]) -> ById<'_> {
    spans
        .iter()
        .map(|span| ((span.trace_id.as_str(), span.span_id.as_str()), span))
        .collect()
}

/// Whether the request that a span is part of was given up: whoever asked went away.
pub(super) fn given_up(span: &CapturedSpan, by_id: &ById<'_>) -> bool {
    let above = |span: &&CapturedSpan| {
        let id = span.parent_span_id.as_deref()?;
        by_id.get(&(span.trace_id.as_str(), id)).copied()
    };
    // No trace is as deep as it has spans, unless it goes round in a circle.
    std::iter::successors(Some(span), above)
        .take(by_id.len())
        .any(has_left)
}

/// Compares the parent with the declared ones, and hands it out when it is one of them.
pub(super) fn check<'a>(
    schema: &Schema,
    def: &SpanDef,
    span: &CapturedSpan,
    by_id: &ById<'a>,
    findings: &mut Findings,
) -> Option<&'a CapturedSpan> {
    let allowed = def.parents;
    if allowed.is_empty() {
        return None;
    }
    let mut wrong = |message: String| {
        let advice = format!("start it under {}", listed(allowed));
        findings.span(FindingId::WrongParent, &span.name, message, advice);
        None
    };
    let Some(id) = &span.parent_span_id else {
        if allowed.contains(&Parent::Root) {
            return None;
        }
        return wrong("begins a trace of its own".to_owned());
    };
    let Some(parent) = by_id.get(&(span.trace_id.as_str(), id.as_str())) else {
        // A caller in another process need not be captured; a parent in the same one is.
        if allowed.contains(&Parent::Client) {
            return None;
        }
        return wrong("stands under a span that was not captured".to_owned());
    };
    let good = allowed.iter().any(|allowed| match allowed {
        Parent::Root => false,
        Parent::Server => parent.kind == Kind::Server.name(),
        Parent::Client => parent.kind == Kind::Client.name(),
        Parent::Span(name) => {
            let was = schema.span(name).and_then(|def| def.was);
            parent.name == *name || old::is(was, &parent.name)
        }
    });
    if !good {
        return wrong(format!("stands under `{}` ({})", parent.name, parent.kind));
    }
    if def.kind == Kind::Internal && parent.service != span.service {
        return wrong(format!(
            "stands under `{}` of the service `{}`",
            parent.name, parent.service
        ));
    }
    Some(parent)
}

/// The allowed parents in words.
fn listed(parents: &[Parent]) -> String {
    let words: Vec<_> = parents
        .iter()
        .map(|parent| match parent {
            Parent::Root => "nothing".to_owned(),
            Parent::Server => "a SERVER span of the same service".to_owned(),
            Parent::Client => "the CLIENT span that called".to_owned(),
            Parent::Span(name) => format!("`{name}`"),
        })
        .collect();
    words.join(" or ")
}
