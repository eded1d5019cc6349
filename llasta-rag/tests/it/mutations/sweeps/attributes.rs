//! Section 2: attributes.

use llasta_telemetry::testing::conform::FindingId::{self, *};
use llasta_telemetry::testing::{AttributeValue, CapturedSpan};

use crate::mutations::capture::{Captured, captured};
use crate::mutations::contract::{Attribute, FIXED, HTTP, RESOURCE, TWINS, attributes};
use crate::mutations::{caught, shown};

/// The same value as another type.
fn retyped(value: &AttributeValue) -> AttributeValue {
    match value {
        AttributeValue::Int(value) => AttributeValue::Double(*value as f64),
        AttributeValue::Double(value) => AttributeValue::Int(*value as i64),
        AttributeValue::Bool(value) => AttributeValue::String(value.to_string()),
        AttributeValue::Strings(values) => AttributeValue::String(values.join(",")),
        other => AttributeValue::Strings(vec![other.to_string()]),
    }
}

/// Changes an attribute wherever it is, and says in how many spans.
fn each(
    captured: &mut Captured,
    (name, kind): (&str, &str),
    attribute: &str,
    change: impl Fn(&mut CapturedSpan, AttributeValue),
) -> usize {
    let mut changed = 0;
    for span in captured.spans(name, kind) {
        if let Some(value) = span.attributes.remove(attribute) {
            change(span, value);
            changed += 1;
        }
    }
    changed
}

/// Breaks an attribute, which must be there, and says what must be found.
fn attribute(
    span: (&str, &str),
    attribute: &str,
    how: &str,
    id: FindingId,
    change: impl Fn(&mut CapturedSpan, AttributeValue),
) {
    let mut captured = captured();
    let changed = each(&mut captured, span, attribute, change);
    assert!(changed > 0, "{span:?} has no `{attribute}`");
    let findings = captured.findings();
    let about = |message: &str| message.contains(&format!("`{attribute}"));
    let found = findings
        .iter()
        .any(|finding| finding.id == id && about(&finding.message));
    assert!(
        found,
        "{how}: {span:?} `{attribute}`, not {id}:\n{}",
        shown(&findings)
    );
}

#[test]
fn every_attribute_of_every_span_is_missed_when_it_is_always_there() {
    let always: Vec<_> = attributes()
        .into_iter()
        .filter(|attribute| attribute.always)
        .collect();
    assert_eq!(always.len(), 28);
    for Attribute { span, name, .. } in always {
        attribute(
            (span, "INTERNAL"),
            name,
            "missing",
            MissingAttribute,
            |_, _| (),
        );
        let renamed = |span: &mut CapturedSpan, value| {
            span.attributes.insert(format!("{name}_"), value);
        };
        attribute(
            (span, "INTERNAL"),
            name,
            "renamed",
            MissingAttribute,
            renamed,
        );
    }
}

#[test]
fn every_attribute_of_every_span_has_its_type_and_its_name() {
    for Attribute { span, name, ty, .. } in attributes() {
        let right = |value: &AttributeValue| {
            matches!(
                (value, ty),
                (AttributeValue::Int(_), "int")
                    | (AttributeValue::Double(_), "double")
                    | (AttributeValue::String(_), "string")
                    | (AttributeValue::Bool(_), "bool")
            )
        };
        let change = |span: &mut CapturedSpan, value: AttributeValue| {
            assert!(right(&value), "{name} is {value}, not of type {ty}");
            span.attributes.insert(name.to_owned(), retyped(&value));
        };
        attribute((span, "INTERNAL"), name, "retyped", TypeMismatch, change);
        let renamed = |span: &mut CapturedSpan, value| {
            span.attributes.insert(format!("{name}_"), value);
        };
        attribute(
            (span, "INTERNAL"),
            name,
            "renamed",
            UnknownAttribute,
            renamed,
        );
        // Every span has namespaces of its own.
        let moved = |span: &mut CapturedSpan, value| {
            span.attributes.insert(name.to_owned(), value);
            span.name = if span.name == "faiss.index_search" {
                "vllm.response"
            } else {
                "faiss.index_search"
            }
            .to_owned();
        };
        let allowed = ["faiss.top_k", "faiss.index_size"].contains(&name)
            || name.starts_with("llm.") && span == "vllm.response";
        if !allowed {
            attribute(
                (span, "INTERNAL"),
                name,
                "on another span",
                UnknownAttribute,
                moved,
            );
        }
    }
}

#[test]
fn every_attribute_of_http_is_missed_or_has_its_type() {
    for (kind, name, ty, always) in HTTP {
        let change = |span: &mut CapturedSpan, value: AttributeValue| {
            span.attributes.insert((*name).to_owned(), retyped(&value));
        };
        attribute(("POST /search", kind), name, ty, TypeMismatch, change);
        if *always {
            attribute(
                ("POST /search", kind),
                name,
                "missing",
                MissingAttribute,
                |_, _| (),
            );
        }
    }
}

#[test]
fn every_twin_is_missed_and_says_the_same() {
    for (span, ours, theirs) in TWINS {
        attribute(
            (span, "INTERNAL"),
            theirs,
            "missing",
            MissingAttribute,
            |_, _| (),
        );
        attribute(
            (span, "INTERNAL"),
            ours,
            "missing beside its twin",
            MissingAttribute,
            |_, _| (),
        );
        let other = |span: &mut CapturedSpan, value: AttributeValue| {
            let other = match value {
                AttributeValue::Int(value) => AttributeValue::Int(value + 1),
                AttributeValue::Double(value) => AttributeValue::Double(value + 1.0),
                AttributeValue::String(value) => AttributeValue::String(value + "?"),
                AttributeValue::Bool(value) => AttributeValue::Bool(!value),
                AttributeValue::Strings(_) => AttributeValue::Strings(Vec::new()),
                AttributeValue::Other(_) => panic!("{theirs}"),
            };
            span.attributes.insert((*theirs).to_owned(), other);
        };
        attribute(
            (span, "INTERNAL"),
            theirs,
            "another value",
            WrongValue,
            other,
        );
        let retyped = |span: &mut CapturedSpan, value: AttributeValue| {
            span.attributes
                .insert((*theirs).to_owned(), retyped(&value));
        };
        attribute((span, "INTERNAL"), theirs, "retyped", TypeMismatch, retyped);
    }
    for (span, theirs, text) in FIXED {
        attribute(
            (span, "INTERNAL"),
            theirs,
            text,
            MissingAttribute,
            |_, _| (),
        );
        let other = |span: &mut CapturedSpan, value: AttributeValue| {
            assert_eq!(value, AttributeValue::String((*text).to_owned()));
            let other = AttributeValue::String("other".to_owned());
            span.attributes.insert((*theirs).to_owned(), other);
        };
        attribute(
            (span, "INTERNAL"),
            theirs,
            "another value",
            WrongValue,
            other,
        );
    }
}

#[test]
fn everything_the_resource_says_is_missed() {
    for service in ["chatbot-rag", "faiss-wrap"] {
        for name in RESOURCE {
            caught(
                &format!("{service} without {name}"),
                MissingAttribute,
                |captured| {
                    for span in &mut captured.evidence.spans {
                        if span.service == service {
                            span.resource.remove(name).unwrap();
                            if name == "service.name" {
                                span.service.clear();
                            }
                        }
                    }
                    if name == "service.name" {
                        "(no service)"
                    } else {
                        service
                    }
                    .to_owned()
                },
            );
        }
    }
}
