//! Section 4: log lines.

use llasta_telemetry::testing::conform::FindingId::*;
use serde_json::json;

use crate::mutations::caught;
use crate::mutations::contract::{FIELDS, SERVICES};

#[test]
fn every_field_of_a_line_is_missed_and_has_its_form() {
    let malformed = [json!(null), json!(17), json!(["a"]), json!({})];
    for service in SERVICES {
        let of_service = |line: &serde_json::Value| line["service.name"] == service;
        for field in FIELDS {
            caught(
                &format!("{service}: no {field}"),
                MissingLogField,
                |captured| {
                    captured.lines(|line| {
                        if of_service(line) {
                            line.as_object_mut().unwrap().remove(field).unwrap();
                        }
                        Some(())
                    });
                    field.to_owned()
                },
            );
            for value in &malformed {
                caught(
                    &format!("{service}: {field} {value}"),
                    MalformedLogField,
                    |captured| {
                        captured.lines(|line| {
                            if of_service(line) {
                                line[field] = value.clone();
                            }
                            Some(())
                        });
                        field.to_owned()
                    },
                );
            }
        }
        // The ids come together.
        for field in ["trace_id", "span_id"] {
            caught(
                &format!("{service}: no {field}"),
                MissingLogField,
                |captured| {
                    captured.lines(|line| {
                        if of_service(line) {
                            line.as_object_mut().unwrap().remove(field);
                        }
                        Some(())
                    });
                    field.to_owned()
                },
            );
            for value in [
                "",
                "0",
                "0AF7651916CD43DD",
                "0000000000000000",
                "00000000000000000000000000000000",
            ] {
                caught(
                    &format!("{service}: {field} {value:?}"),
                    MalformedLogField,
                    |captured| {
                        captured.lines(|line| {
                            if of_service(line) && line.get(field).is_some() {
                                line[field] = json!(value);
                            }
                            Some(())
                        });
                        field.to_owned()
                    },
                );
            }
        }
    }
}
