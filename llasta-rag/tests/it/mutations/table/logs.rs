//! Section 4: logs.

use llasta_telemetry::testing::conform::FindingId::*;
use serde_json::json;

use super::{Break, access, broken};

pub(super) const BREAKS: &[Break] = &[
    broken(
        "one JSON object a line",
        "a word",
        (Unreadable, "line"),
        |c| c.evidence.lines.push("listening".to_owned()),
    ),
    broken(
        "one JSON object a line",
        "a list",
        (Unreadable, "line"),
        |c| c.evidence.lines.push("[1]".to_owned()),
    ),
    broken(
        "timestamp in UTC",
        "with an offset",
        (MalformedLogField, "timestamp"),
        |c| {
            access(c, |line| {
                line["timestamp"] = json!("2026-11-23T03:11:19.000123+01:00");
            });
        },
    ),
    broken(
        "timestamp in microseconds",
        "in milliseconds",
        (MalformedLogField, "timestamp"),
        |c| {
            access(c, |line| {
                line["timestamp"] = json!("2026-11-23T02:11:19.000Z");
            });
        },
    ),
    broken(
        "level",
        "in small letters",
        (MalformedLogField, "level"),
        |c| access(c, |line| line["level"] = json!("info")),
    ),
    broken("target", "missing", (MissingLogField, "target"), |c| {
        access(c, |line| {
            drop(line.as_object_mut().unwrap().remove("target"));
        });
    }),
    broken("message", "renamed", (MissingLogField, "message"), |c| {
        access(c, |line| {
            let message = line.as_object_mut().unwrap().remove("message").unwrap();
            line["msg"] = message;
        });
    }),
    broken(
        "service.name",
        "nested",
        (MissingLogField, "service.name"),
        |c| {
            access(c, |line| {
                let name = line
                    .as_object_mut()
                    .unwrap()
                    .remove("service.name")
                    .unwrap();
                line["service"] = json!({ "name": name });
            });
        },
    ),
    broken(
        "service.name",
        "another's",
        (WrongService, "service.name"),
        |c| {
            access(c, |line| {
                if line["service.name"] == "faiss-wrap" {
                    line["service.name"] = json!("chatbot-rag");
                }
            });
        },
    ),
    broken(
        "service.name",
        "a name that nobody has",
        (WrongService, "index"),
        |c| {
            c.lines(|line| {
                if line["service.name"] == "faiss-wrap" && line.get("trace_id").is_none() {
                    line["service.name"] = json!("index");
                }
                Some(())
            });
        },
    ),
    broken(
        "trace_id (32 hex digits)",
        "a UUID",
        (MalformedLogField, "trace_id"),
        |c| {
            access(c, |line| {
                line["trace_id"] = json!("627cc493-f310-47de-96bd-71410b7dec09");
            });
        },
    ),
    broken(
        "span_id (16)",
        "missing beside the other",
        (MissingLogField, "span_id"),
        |c| {
            access(c, |line| {
                drop(line.as_object_mut().unwrap().remove("span_id"));
            });
        },
    ),
    broken(
        "ids whenever inside a span",
        "none in access lines",
        (MissingAccessLine, "chatbot-rag"),
        |c| {
            access(c, |line| {
                let fields = line.as_object_mut().unwrap();
                fields.remove("trace_id");
                fields.remove("span_id");
            });
        },
    ),
    broken(
        "one access line per request",
        "none of one request",
        (MissingAccessLine, "faiss-wrap"),
        |c| {
            c.lines(|line| (line["path"] != "/search").then_some(()));
        },
    ),
    broken(
        "one access line per request",
        "two of each",
        (DuplicateAccessLine, "chatbot-rag"),
        |c| {
            let twice = c
                .evidence
                .lines
                .clone()
                .into_iter()
                .filter(|line| line.contains("\"request\""));
            c.evidence.lines.extend(twice);
        },
    ),
    broken(
        "OTLP endpoint: <url>",
        "missing",
        (MissingLogLine, "faiss-wrap"),
        |c| {
            c.lines(|line| {
                let start = line["message"]
                    .as_str()
                    .unwrap()
                    .starts_with("OTLP endpoint: ");
                (!start || line["service.name"] != "faiss-wrap").then_some(())
            });
        },
    ),
    broken(
        "OTLP endpoint: <url>",
        "in other words",
        (MissingLogLine, "vllm"),
        |c| {
            c.lines(|line| {
                let message = line["message"]
                    .as_str()
                    .unwrap()
                    .replace("OTLP endpoint: ", "exporting to ");
                line["message"] = json!(message);
                Some(())
            });
        },
    ),
];
