//! Each span, compared with its declaration.

use std::collections::BTreeSet;

use super::finding::{Finding, FindingId, Findings, Signal};
use super::{attributes, cardinality, http, old, parent, time, values};
use crate::schema::{Kind, Schema, SpanDef, resource};
use crate::span::Names;
use crate::testing::CapturedSpan;

/// Compares each span with its declaration. `names` says under which names the services were
/// told to write attributes.
///
/// INTERNAL spans are recognised by their name, HTTP spans by their kind. Spans that nobody
/// declares are left alone, unless their name or their attributes lie in a namespace that the
/// schema owns.
pub fn spans(schema: &Schema, spans: &[CapturedSpan], names: Names) -> Vec<Finding> {
    let mut findings = Findings::default();
    each(schema, spans, names, &mut findings);
    findings.into_vec()
}

pub(super) fn each(schema: &Schema, spans: &[CapturedSpan], names: Names, findings: &mut Findings) {
    let by_id = parent::by_id(spans);
    let mut ours = BTreeSet::new();
    for span in spans {
        let declared = declaration(schema, span);
        attributes::types_and_namespaces(schema, declared, span, findings);
        let Some(def) = declared else {
            undeclared(schema, span, findings);
            continue;
        };
        ours.insert(span.service.as_str());
        kind(def, span, findings);
        attributes::presence(def, span, names, findings);
        if let Some(parent) = parent::check(schema, def, span, &by_id, findings) {
            time::within(def, span, parent, findings);
        }
        time::itself(span, findings);
        values::span(span, findings);
        if http::is_http(def) {
            http::span(span, parent::given_up(span, &by_id), findings);
        } else {
            http::absent(span, findings);
            name(def, span, findings);
        }
        failure(span, findings);
    }
    for service in ours {
        resource(spans, service, findings);
    }
}

/// The name is the one it has now.
fn name(def: &SpanDef, span: &CapturedSpan, findings: &mut Findings) {
    if def.name != span.name {
        old::alone(Signal::Span, &span.name, &span.name, def.name, findings);
    }
    if let Some(instead) = def.deprecated {
        old::deprecated(Signal::Span, &span.name, "this span", instead, findings);
    }
}

/// What the schema says of a span.
fn declaration(schema: &Schema, span: &CapturedSpan) -> Option<&'static SpanDef> {
    old::span(schema, &span.name).or_else(|| http::declaration(schema, span))
}

fn undeclared(schema: &Schema, span: &CapturedSpan, findings: &mut Findings) {
    if span.kind == Kind::Internal.name() && schema.owns(&span.name) {
        findings.span(
            FindingId::UndeclaredSpan,
            &span.name,
            "no span of this name is declared, but its namespace is",
            "declare it, or use one of the declared names",
        );
    }
    if let Some(why) = cardinality::many_names(&span.name) {
        findings.improvement(
            FindingId::HighCardinality,
            Signal::Span,
            &span.name,
            format!("the name {why}"),
            "name it by what is done, and put what differs into attributes",
        );
    }
    let method = crate::schema::http::REQUEST_METHOD.name();
    let http = [Kind::Server.name(), Kind::Client.name()];
    if span.attributes.contains_key(method) && !http.contains(&span.kind) {
        findings.span(
            FindingId::WrongKind,
            &span.name,
            format!("is of kind {}, yet it carries `{method}`", span.kind),
            "start it with kind SERVER or CLIENT",
        );
    }
}

fn kind(def: &SpanDef, span: &CapturedSpan, findings: &mut Findings) {
    if span.kind != def.kind.name() {
        findings.span(
            FindingId::WrongKind,
            &span.name,
            format!("is of kind {}", span.kind),
            format!("start it with kind {}", def.kind.name()),
        );
    }
}

/// A failed span says what failed, in a word.
fn failure(span: &CapturedSpan, findings: &mut Findings) {
    let error_type = crate::schema::http::ERROR_TYPE.name();
    if let Some(why) = span.text(error_type).and_then(cardinality::many_words) {
        findings.span(
            FindingId::HighCardinality,
            &span.name,
            format!("`{error_type}` {why}"),
            "write a word of low cardinality: the error's kind, or the status code",
        );
    }
    if span.status == "error" && !span.attributes.contains_key(error_type) {
        findings.span(
            FindingId::MissingAttribute,
            &span.name,
            format!("has failed without `{error_type}`"),
            "set it to a word of low cardinality: the error's kind, or the status code",
        );
    }
    let message = crate::schema::http::ERROR_MESSAGE.name();
    if span
        .text(message)
        .is_some_and(|text| text.chars().count() > 100)
    {
        findings.span(
            FindingId::WrongValue,
            &span.name,
            format!("`{message}` is longer than 100 characters"),
            "cut it",
        );
    }
}

fn resource(spans: &[CapturedSpan], service: &str, findings: &mut Findings) {
    let name = resource::SERVICE_NAME.name();
    if service.is_empty() || service.starts_with("unknown_service") {
        findings.violation(
            FindingId::MissingAttribute,
            Signal::Resource,
            if service.is_empty() {
                "(no service)"
            } else {
                service
            },
            format!("the resource has no `{name}`"),
            "name the service in code, or by OTEL_SERVICE_NAME",
        );
    }
    let spans: Vec<_> = spans
        .iter()
        .filter(|span| span.service == service)
        .collect();
    for key in crate::schema::resource::NAMESPACE.keys {
        if key.name != name
            && spans
                .iter()
                .any(|span| !span.resource.contains_key(key.name))
        {
            findings.violation(
                FindingId::MissingAttribute,
                Signal::Resource,
                service,
                format!("the resource has no `{}`", key.name),
                "set it where the service sets up its telemetry",
            );
        }
    }
}
