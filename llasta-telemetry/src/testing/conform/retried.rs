//! Requests that were sent again because nobody could be reached.

use std::collections::HashSet;

use super::tree::{Node, TREE};
use crate::schema::Kind;
use crate::schema::http::{ERROR_TYPE, REQUEST_RESEND_COUNT, RESPONSE_STATUS_CODE};
use crate::testing::CapturedSpan;

/// The ids of the attempts at a line of the tree that another attempt took the place of: CLIENT spans
/// that failed without an answer, each with one beside it that says it was sent again more often. The
/// last attempt is none of them, however it went.
pub(super) fn replaced<'a>(trace: &[&'a CapturedSpan]) -> HashSet<&'a str> {
    let calls: Vec<_> = trace.iter().copied().filter(|span| is_call(span)).collect();
    let replaced = calls.iter().filter(|span| {
        no_answer(span)
            && calls
                .iter()
                .any(|other| beside(span, other) && sent(other) > sent(span))
    });
    replaced.map(|span| span.span_id.as_str()).collect()
}

fn is_call(span: &CapturedSpan) -> bool {
    let calls = |node: &&Node| node.kind == Kind::Client;
    let mut calls = TREE.iter().filter(calls);
    span.kind == Kind::Client.name() && calls.any(|node| node.name == span.name)
}

/// Whatever had an answer may have been carried out: it must not be sent again.
fn no_answer(span: &CapturedSpan) -> bool {
    span.status == "error"
        && span.attributes.contains_key(ERROR_TYPE.name())
        && !span.attributes.contains_key(RESPONSE_STATUS_CODE.name())
}

fn beside(span: &CapturedSpan, other: &CapturedSpan) -> bool {
    let place = |span: &CapturedSpan| {
        (
            span.name.clone(),
            span.service.clone(),
            span.parent_span_id.clone(),
        )
    };
    place(span) == place(other)
}

/// How often a request had been sent before.
fn sent(span: &CapturedSpan) -> i64 {
    span.int(REQUEST_RESEND_COUNT.name()).unwrap_or(0)
}
