//! When spans begin and end, seen from one clock: that of a service.

use super::excuse::{Found, ended_early, is_streamed};
use super::finding::{FindingId, Findings, Signal};
use super::tree::{GENERATE, LLM_CALL, RESPONSE, TREE};
use crate::schema::{Kind, SpanDef};
use crate::testing::CapturedSpan;

/// Clocks of some languages count milliseconds.
const TOLERANCE_NANOS: u64 = 1_000_000;

/// A span begins after the one that the schema puts it under, in the same service. When it is a
/// part of a chat request it also ends before it; work that goes on in the background may end later.
pub(super) fn within(
    def: &SpanDef,
    span: &CapturedSpan,
    parent: &CapturedSpan,
    findings: &mut Findings,
) {
    if def.kind != Kind::Internal || parent.service != span.service {
        return;
    }
    if span.start_unix_nano + TOLERANCE_NANOS < parent.start_unix_nano {
        wrong(
            span,
            format!(
                "begins {} before its parent `{}`",
                between(span.start_unix_nano, parent.start_unix_nano),
                parent.name
            ),
            "start it inside its parent, with the clock of the same service",
            findings,
        );
    }
    // Work that was given up is finished by itself, in its own time.
    let late = span.end_unix_nano > parent.end_unix_nano + TOLERANCE_NANOS && !ended_early(parent);
    if late {
        let message = format!(
            "ends {} after its parent `{}`",
            between(parent.end_unix_nano, span.end_unix_nano),
            parent.name
        );
        let advice = format!("end `{}` when all of its work is done", parent.name);
        if TREE.iter().any(|node| node.name == span.name) {
            wrong(span, message, advice, findings);
        } else {
            findings.improvement(
                FindingId::WrongTime,
                Signal::Span,
                &span.name,
                message,
                advice,
            );
        }
    }
}

/// No span ends before it begins.
pub(super) fn itself(span: &CapturedSpan, findings: &mut Findings) {
    if span.end_unix_nano < span.start_unix_nano {
        wrong(
            span,
            "ends before it begins",
            "use one clock for both",
            findings,
        );
    }
}

/// A streamed request lasts until its last token.
pub(super) fn chat(found: &Found<'_>, findings: &mut Findings) {
    let (Some(generate), Some(call), Some(response)) =
        (found[GENERATE], found[LLM_CALL], found[RESPONSE])
    else {
        return;
    };
    if is_streamed(generate) && call.end_unix_nano + TOLERANCE_NANOS < response.start_unix_nano {
        wrong(
            call,
            format!(
                "ends {} before `{}` begins, though the answer is streamed",
                between(call.end_unix_nano, response.start_unix_nano),
                response.name
            ),
            "end it when the last byte of the stream has come",
            findings,
        );
    }
}

fn wrong(
    span: &CapturedSpan,
    message: impl Into<String>,
    advice: impl Into<String>,
    findings: &mut Findings,
) {
    findings.span(FindingId::WrongTime, &span.name, message, advice);
}

fn between(from: u64, to: u64) -> String {
    format!("{:.1} ms", to.saturating_sub(from) as f64 / 1e6)
}
