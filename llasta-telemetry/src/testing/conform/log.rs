//! Log lines: one JSON object each, with the fields that every line has.

use serde_json::{Map, Value};

use super::finding::{Finding, FindingId, Findings, Signal};
use crate::schema::resource::SERVICE_NAME;

const LEVELS: [&str; 5] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

/// Compares log lines with the contract: each is one JSON object with `timestamp` (RFC 3339, UTC,
/// microseconds), `level`, `target`, `message` and `service.name`; `trace_id` (32 hex digits) and
/// `span_id` (16) come together or not at all. Blank lines are skipped.
pub fn log_lines(lines: &[&str]) -> Vec<Finding> {
    let mut findings = Findings::default();
    read(lines.iter().copied(), &mut findings);
    findings.into_vec()
}

/// The fields of a line.
pub(super) type Fields = Map<String, Value>;

/// The same, and hands out the lines that could be read.
pub(super) fn read<'a>(
    lines: impl Iterator<Item = &'a str>,
    findings: &mut Findings,
) -> Vec<Fields> {
    let mut all = Vec::new();
    for line in lines.filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str::<Value>(line) {
            Ok(Value::Object(fields)) => {
                object(&fields, findings);
                all.push(fields);
            }
            _ => findings.violation(
                FindingId::Unreadable,
                Signal::Log,
                "line",
                "is no JSON object",
                "write one JSON object a line, and nothing else to standard output",
            ),
        }
    }
    all
}

fn object(fields: &Fields, findings: &mut Findings) {
    for field in [
        "timestamp",
        "level",
        "target",
        "message",
        SERVICE_NAME.name(),
    ] {
        match fields.get(field) {
            None => findings.violation(
                FindingId::MissingLogField,
                Signal::Log,
                field,
                "is missing",
                "write it in every line",
            ),
            Some(Value::String(text)) => {
                let (good, advice) = match field {
                    "timestamp" => (
                        is_timestamp(text),
                        "write it like 2026-11-23T02:11:19.000123Z: UTC, microseconds",
                    ),
                    "level" => (
                        LEVELS.contains(&text.as_str()),
                        "write ERROR, WARN, INFO, DEBUG or TRACE",
                    ),
                    // A message may be empty: some libraries log fields alone.
                    "message" => (true, ""),
                    _ => (!text.is_empty(), "write who says it"),
                };
                if !good {
                    malformed(field, text, advice, findings);
                }
            }
            Some(other) => malformed(field, &other.to_string(), "write a text", findings),
        }
    }
    let ids = [("trace_id", 32), ("span_id", 16)];
    for (field, digits) in ids {
        match fields.get(field) {
            None if ids.iter().any(|(other, _)| fields.contains_key(*other)) => findings.violation(
                FindingId::MissingLogField,
                Signal::Log,
                field,
                "is missing beside the other id",
                "write both ids, or none outside of a span",
            ),
            None => {}
            Some(Value::String(text)) if is_id(text, digits) => {}
            Some(other) => malformed(
                field,
                other.as_str().unwrap_or("no text"),
                "write lower-case hex digits, 32 for a trace and 16 for a span, not all zeros",
                findings,
            ),
        }
    }
}

fn malformed(field: &str, value: &str, advice: &str, findings: &mut Findings) {
    findings.violation(
        FindingId::MalformedLogField,
        Signal::Log,
        field,
        format!("is written otherwise, as in {value:?}"),
        advice,
    );
}

/// Lower-case hex digits, so many of them, and not all zeros.
pub(super) fn is_id(text: &str, digits: usize) -> bool {
    text.len() == digits
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        && text.bytes().any(|byte| byte != b'0')
}

/// `2026-11-23T02:11:19.000123Z`, with numbers that a clock can show.
fn is_timestamp(text: &str) -> bool {
    const FORM: &[u8] = b"0000-00-00T00:00:00.000000Z";
    let form = text.len() == FORM.len()
        && text.bytes().zip(FORM).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            other => byte == *other,
        });
    let number = |from: usize| {
        text.get(from..from + 2)
            .and_then(|two| two.parse::<u32>().ok())
    };
    form && number(5).is_some_and(|month| (1..=12).contains(&month))
        && number(8).is_some_and(|day| (1..=31).contains(&day))
        && number(11).is_some_and(|hour| hour < 24)
        && number(14).is_some_and(|minute| minute < 60)
        // A leap second is one more.
        && number(17).is_some_and(|second| second <= 60)
}
