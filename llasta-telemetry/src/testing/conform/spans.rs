//! Each span, compared with its declaration.

use std::collections::{BTreeSet, HashMap};

use super::attributes;
use super::finding::{Finding, FindingId, Findings, Signal};
use super::http;
use crate::schema::{Kind, Parent, Schema, SpanDef, resource};
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
    let by_id: HashMap<_, _> = spans
        .iter()
        .map(|span| ((span.trace_id.as_str(), span.span_id.as_str()), span))
        .collect();
    let mut ours = BTreeSet::new();
    for span in spans {
        let declared = declaration(schema, span);
        attributes::types_and_namespaces(schema, declared, span, &mut findings);
        let Some(def) = declared else {
            undeclared(schema, span, &mut findings);
            continue;
        };
        ours.insert(span.service.as_str());
        kind(def, span, &mut findings);
        attributes::presence(def, span, names, &mut findings);
        parent(def, span, &by_id, &mut findings);
        if http::is_http(def) {
            http::span(span, &mut findings);
        } else {
            http::absent(span, &mut findings);
        }
        failure(span, &mut findings);
    }
    for service in ours {
        resource(spans, service, &mut findings);
    }
    findings.into_vec()
}

/// What the schema says of a span.
fn declaration(schema: &Schema, span: &CapturedSpan) -> Option<&'static SpanDef> {
    schema
        .span(&span.name)
        .or_else(|| http::declaration(schema, span))
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

fn parent(
    def: &SpanDef,
    span: &CapturedSpan,
    by_id: &HashMap<(&str, &str), &CapturedSpan>,
    findings: &mut Findings,
) {
    let allowed = def.parents;
    if allowed.is_empty() {
        return;
    }
    let advice = || format!("start it under {}", listed(allowed));
    let mut wrong =
        |message: String| findings.span(FindingId::WrongParent, &span.name, message, advice());
    let Some(id) = &span.parent_span_id else {
        if !allowed.contains(&Parent::Root) {
            wrong("begins a trace of its own".to_owned());
        }
        return;
    };
    let Some(parent) = by_id.get(&(span.trace_id.as_str(), id.as_str())) else {
        // A caller in another process need not be captured; a parent in the same one is.
        if !allowed.contains(&Parent::Client) {
            wrong("stands under a span that was not captured".to_owned());
        }
        return;
    };
    let good = allowed.iter().any(|allowed| match allowed {
        Parent::Root => false,
        Parent::Server => parent.kind == Kind::Server.name(),
        Parent::Client => parent.kind == Kind::Client.name(),
        Parent::Span(name) => parent.name == *name,
    });
    if !good {
        wrong(format!("stands under `{}` ({})", parent.name, parent.kind));
    } else if def.kind == Kind::Internal && parent.service != span.service {
        wrong(format!(
            "stands under `{}` of the service `{}`",
            parent.name, parent.service
        ));
    }
}

/// The allowed parents in words.
fn listed(parents: &[Parent]) -> String {
    let words: Vec<_> = parents
        .iter()
        .map(|parent| match parent {
            Parent::Root => "nothing".to_owned(),
            Parent::Server => "a SERVER span of the same service".to_owned(),
            Parent::Client => "the CLIENT span that called".to_owned(),
            Parent::Span(name) => format!("`{name}`"),
        })
        .collect();
    words.join(" or ")
}

/// A failed span says what failed.
fn failure(span: &CapturedSpan, findings: &mut Findings) {
    let error_type = crate::schema::http::ERROR_TYPE.name();
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
            findings.improvement(
                FindingId::MissingAttribute,
                Signal::Resource,
                service,
                format!("the resource has no `{}`", key.name),
                "set it where the service sets up its telemetry",
            );
        }
    }
}
