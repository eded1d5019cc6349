//! The attributes of a span: which are there, of which type, and under which names.

use super::finding::{FindingId, Findings};
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
    for (name, value) in &span.attributes {
        let Some(key) = schema.key(name) else {
            if schema.owns(name) {
                findings.span(
                    FindingId::UnknownAttribute,
                    &span.name,
                    format!("`{name}` is not declared, but its namespace is"),
                    "declare it, use one of the declared names, or choose another namespace",
                );
            }
            continue;
        };
        if value.attribute_type() != Some(key.ty) {
            findings.span(
                FindingId::TypeMismatch,
                &span.name,
                format!("`{name}` is of type {}", value.type_name()),
                format!("write it as {}: backends compare strictly", key.ty.name()),
            );
        }
        let listed = |def: &SpanDef| def.attributes.iter().any(|(key, _)| key.name == *name);
        if schema.owns(name) && declared.is_some_and(|def| !listed(def)) {
            findings.span(
                FindingId::UnknownAttribute,
                &span.name,
                format!("`{name}` is declared, but not for this span"),
                "leave it out here, or list it in the span's declaration",
            );
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
        if required && always && !span.attributes.contains_key(expected.name) {
            missing(span, expected.name, findings);
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
