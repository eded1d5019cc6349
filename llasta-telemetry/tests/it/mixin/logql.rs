//! What a query for Loki says of streams and of the fields of log lines.

use super::known::SERVICES;

/// The labels of streams: Loki's own, and those that the collectors set.
const STREAM: [&str; 3] = ["service_name", "namespace", "job"];

/// The fields of a line, and those of the line that ends a request; Loki writes a dot as an
/// underscore.
const FIELDS: [&str; 13] = [
    "timestamp",
    "level",
    "target",
    "message",
    "trace_id",
    "span_id",
    "method",
    "path",
    "route",
    "status",
    "outcome",
    "duration_ms",
    "error_type",
];

const LEVELS: [&str; 5] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

pub(super) fn breaches(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    // Each comparison is a name, an operator and a text: what stands before a text is looked at.
    while let Some((before, after)) = rest.split_once('"') {
        let (value, behind) = after.split_once('"').unwrap_or((after, ""));
        rest = behind;
        let name = before.trim_end_matches(['=', '~', '!', ' ']);
        let operator = &before[name.len()..];
        let start = name
            .rfind(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .map_or(0, |at| at + 1);
        let name = &name[start..];
        if name.is_empty() || operator.trim().is_empty() {
            continue; // `|= "text"`
        }
        if !STREAM.contains(&name) && !FIELDS.contains(&name) && name != "__error__" {
            found.push(format!("a log line has no field `{name}`"));
        }
        let known: &[&str] = match name {
            "service_name" => &SERVICES,
            "level" => &LEVELS,
            _ => continue,
        };
        for value in value.split('|').filter(|value| !known.contains(value)) {
            found.push(format!("`{name}` is never \"{value}\""));
        }
    }
    found
}
