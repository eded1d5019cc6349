//! The attributes of a span: which are there, of which type, and under which names.

use std::collections::BTreeMap;

use super::finding::{FindingId, Findings, Signal};
use super::old;
use crate::schema::{KeyDef, Presence, Schema, SpanDef, TwinForm};
use crate::span::Names;
use crate::testing::{AttributeValue, CapturedSpan};

/// Whatever the schema has a key for has its type; whatever lies in a namespace of ours is
/// declared, and for this span.
pub(super) fn types_and_namespaces(
    schema: &Schema,
    declared: Option<&SpanDef>,
    span: &CapturedSpan,
    findings: &mut Findings,
) {
    known(schema, Signal::Span, &span.name, &span.attributes, findings);
    let Some(def) = declared else {
        return;
    };
    for name in span.attributes.keys().filter(|name| schema.owns(name)) {
        let listed = |key: &KeyDef| key.name == *name || old::is(key.was, name);
        if old::key(schema, name).is_some() && !def.attributes.iter().any(|(key, _)| listed(key)) {
            findings.span(
                FindingId::UnknownAttribute,
                &span.name,
                format!("`{name}` is declared, but not for this span"),
                "leave it out here, or list it in the span's declaration",
            );
        }
    }
}

/// The attributes of whatever bears this name: each that has a key has its type, and each in a
/// namespace of ours has a key.
pub(super) fn known(
    schema: &Schema,
    signal: Signal,
    bearer: &str,
    attributes: &BTreeMap<String, AttributeValue>,
    findings: &mut Findings,
) {
    for (name, value) in attributes {
        let Some(key) = old::key(schema, name) else {
            if schema.owns(name) {
                findings.violation(
                    FindingId::UnknownAttribute,
                    signal,
                    bearer,
                    format!("`{name}` is not declared, but its namespace is"),
                    "declare it, use one of the declared names, or choose another namespace",
                );
            }
            continue;
        };
        if value.attribute_type() != Some(key.ty) {
            findings.violation(
                FindingId::TypeMismatch,
                signal,
                bearer,
                format!("`{name}` is of type {}", value.type_name()),
                format!("write it as {}: backends compare strictly", key.ty.name()),
            );
        }
        if key.name != name && !attributes.contains_key(key.name) {
            old::alone(signal, bearer, name, key.name, findings);
        }
        if let Some(instead) = key.deprecated {
            old::deprecated(signal, bearer, &format!("`{name}`"), instead, findings);
        }
    }
}

/// What is always present is there, and OpenTelemetry's names go with ours as `names` says.
pub(super) fn presence(def: &SpanDef, span: &CapturedSpan, names: Names, findings: &mut Findings) {
    for (key, presence) in def.attributes {
        let required = *presence != Presence::Optional;
        // Under OpenTelemetry's names, what is only written when it is true may be absent.
        let (expected, always) = match key.twin {
            Some(twin) if names == Names::Otel => (twin.key, twin.form != TwinForm::WhenTrue),
            _ => (*key, true),
        };
        // What is known at the end is not known where the work broke off, and the old name alone is
        // another finding.
        let excused = *presence == Presence::End && span.status == "error"
            || expected.deprecated.is_some()
            || expected
                .was
                .is_some_and(|was| span.attributes.contains_key(was.name));
        if required && always && !excused && !span.attributes.contains_key(expected.name) {
            missing(span, expected.name, findings);
        }
        if let Some(twin) = key.twin
            && twin.form == TwinForm::WhenTrue
            && span.bool(twin.key.name) == Some(false)
        {
            findings.span(
                FindingId::WrongValue,
                &span.name,
                format!("`{}` is false", twin.key.name),
                "leave it out: it is only written when it is true",
            );
        }
        if let Some(twin) = key.twin
            && names == Names::Both
        {
            both(span, key, twin.key, twin.form, findings);
        }
    }
    if names == Names::Llasta {
        return;
    }
    for (key, text) in def.twins {
        let expected = AttributeValue::String((*text).to_owned());
        match span.attributes.get(key.name) {
            None => missing(span, key.name, findings),
            Some(value) if *value != expected => {
                differs(span, key.name, value, &expected, findings);
            }
            Some(_) => {}
        }
    }
}

/// Two names say the same.
fn both(
    span: &CapturedSpan,
    ours: &KeyDef,
    theirs: &KeyDef,
    form: TwinForm,
    findings: &mut Findings,
) {
    let (Some(value), other) = (
        span.attributes.get(ours.name),
        span.attributes.get(theirs.name),
    ) else {
        if span.attributes.contains_key(theirs.name) {
            missing(span, ours.name, findings);
        }
        return;
    };
    let expected = match (form, value) {
        (TwinForm::Same, value) => Some(value.clone()),
        (TwinForm::WhenTrue, AttributeValue::Bool(true)) => Some(value.clone()),
        (TwinForm::ListOfOne, AttributeValue::String(text)) => {
            Some(AttributeValue::Strings(vec![text.clone()]))
        }
        // False is not written; a wrong type is a finding already.
        _ => None,
    };
    match (expected, other) {
        (Some(_), None) => missing(span, theirs.name, findings),
        (Some(expected), Some(other)) if expected != *other => {
            differs(span, theirs.name, other, &expected, findings);
        }
        _ => {}
    }
}

fn missing(span: &CapturedSpan, name: &str, findings: &mut Findings) {
    findings.span(
        FindingId::MissingAttribute,
        &span.name,
        format!("`{name}` is missing"),
        "set it on every span of this name",
    );
}

fn differs(
    span: &CapturedSpan,
    name: &str,
    value: &AttributeValue,
    expected: &AttributeValue,
    findings: &mut Findings,
) {
    findings.span(
        FindingId::WrongValue,
        &span.name,
        format!("`{name}` is {value}"),
        format!("write {expected}"),
    );
}
