//! HTTP spans: recognised by their kind, named by their attributes.

use super::cardinality;
use super::finding::{FindingId, Findings, Signal};
use crate::schema::http::{
    CLIENT, ERROR_TYPE, NAMESPACE, NETWORK_PROTOCOL_VERSION, REQUEST_METHOD, RESPONSE_STATUS_CODE,
    ROUTE, SERVER, SERVER_ADDRESS, SERVER_PORT, URL_FULL, URL_TEMPLATE, USER_AGENT_ORIGINAL,
};
use crate::schema::{Kind, Schema, SpanDef};
use crate::testing::CapturedSpan;

/// The methods of RFC 9110 and 5789, QUERY, and the word for all others.
const METHODS: [&str; 11] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY",
    "_OTHER",
];

/// The declaration of a SERVER or CLIENT span that speaks HTTP: it is named by a method, or
/// carries an attribute that only HTTP has. Other SERVER spans, such as vLLM's own, are not ours.
pub(super) fn declaration(schema: &Schema, span: &CapturedSpan) -> Option<&'static SpanDef> {
    let by_name = span
        .name
        .split(' ')
        .next()
        .is_some_and(|method| METHODS.contains(&method));
    let mut keys = NAMESPACE.keys.iter().map(|key| key.name);
    let by_attribute = keys.any(|name| {
        (name.starts_with("http.") || name.starts_with("url."))
            && span.attributes.contains_key(name)
    });
    let def = [&SERVER, &CLIENT]
        .into_iter()
        .find(|def| def.kind.name() == span.kind)?;
    schema.span(def.name).filter(|_| by_name || by_attribute)
}

pub(super) fn is_http(def: &SpanDef) -> bool {
    // By name: a schema that was read from a file has definitions of its own.
    def.name == SERVER.name || def.name == CLIENT.name
}

/// A collector would rename a span that bears the method.
pub(super) fn absent(span: &CapturedSpan, findings: &mut Findings) {
    let method = REQUEST_METHOD.name();
    if span.attributes.contains_key(method) {
        findings.span(
            FindingId::ForbiddenAttribute,
            &span.name,
            format!("carries `{method}`, so the collector renames it"),
            "leave it to the SERVER and CLIENT spans",
        );
    }
}

/// Of a request that was given up it may not be known how it ended.
pub(super) fn span(span: &CapturedSpan, given_up: bool, findings: &mut Findings) {
    let client = span.kind == Kind::Client.name();
    name(span, client, findings);
    status(span, client, given_up, findings);
    target(span, findings);
    if !client {
        server(span, findings);
    }
    if client && span.text(URL_FULL.name()).is_some_and(has_credentials) {
        findings.span(
            FindingId::WrongValue,
            &span.name,
            format!("`{}` holds credentials", URL_FULL.name()),
            "remove what stands before the `@`",
        );
    }
}

/// A pattern, not a path.
fn target(span: &CapturedSpan, findings: &mut Findings) {
    for key in [ROUTE, URL_TEMPLATE] {
        if let Some(why) = span.text(key.name()).and_then(cardinality::many_paths) {
            findings.span(
                FindingId::HighCardinality,
                &span.name,
                format!("`{}` {why}", key.name()),
                "write the pattern of the path, such as /users/{id}",
            );
        }
    }
}

/// What a server knows of a request that came over the network.
fn server(span: &CapturedSpan, findings: &mut Findings) {
    // Whoever calls a router in its own process sends no headers.
    let came = [USER_AGENT_ORIGINAL.name(), SERVER_PORT.name()]
        .iter()
        .any(|name| span.attributes.contains_key(*name));
    let answered = span.attributes.contains_key(RESPONSE_STATUS_CODE.name());
    for (key, known) in [
        (NETWORK_PROTOCOL_VERSION, answered),
        (SERVER_ADDRESS, answered && came),
    ] {
        if known && !span.attributes.contains_key(key.name()) {
            findings.improvement(
                FindingId::MissingAttribute,
                Signal::Span,
                &span.name,
                format!("`{}` is missing", key.name()),
                "set it where the request comes in",
            );
        }
    }
}

fn name(span: &CapturedSpan, client: bool, findings: &mut Findings) {
    let target = if client { URL_TEMPLATE } else { ROUTE }.name();
    if client && !span.attributes.contains_key(target) {
        findings.span(
            FindingId::MissingAttribute,
            &span.name,
            format!("`{target}` is missing, so the collector names the span by its method alone"),
            "set it to the path's pattern",
        );
    }
    let Some(method) = span.text(REQUEST_METHOD.name()) else {
        return;
    };
    if !METHODS.contains(&method) {
        findings.span(
            FindingId::WrongValue,
            &span.name,
            format!("`{}` is \"{method}\"", REQUEST_METHOD.name()),
            "write `_OTHER`: a method that is none may be anything",
        );
    }
    // The conventions write `HTTP` for `_OTHER`.
    let word = if method == "_OTHER" { "HTTP" } else { method };
    let expected = match span.text(target) {
        Some(target) => format!("{word} {target}"),
        None => word.to_owned(),
    };
    let also = expected.replacen(word, method, 1);
    if span.name != expected && span.name != also {
        findings.span(
            FindingId::WrongName,
            &span.name,
            format!("its attributes name it `{expected}`"),
            format!("name it by `{}` and `{target}`", REQUEST_METHOD.name()),
        );
    }
}

fn status(span: &CapturedSpan, client: bool, given_up: bool, findings: &mut Findings) {
    let key = RESPONSE_STATUS_CODE.name();
    let Some(code) = span.int(key) else {
        if !given_up
            && !span.attributes.contains_key(key)
            && !span.attributes.contains_key(ERROR_TYPE.name())
        {
            findings.span(
                FindingId::MissingAttribute,
                &span.name,
                format!("has neither `{key}` nor `{}`", ERROR_TYPE.name()),
                "say how the request ended",
            );
        }
        return;
    };
    let failed = code >= if client { 400 } else { 500 };
    if failed && span.status != "error" {
        findings.span(
            FindingId::WrongStatus,
            &span.name,
            format!("answered {code} with the status `{}`", span.status),
            "set the status Error",
        );
    }
    // A 2xx whose body broke off is an error that says what happened.
    let explained = span
        .text(ERROR_TYPE.name())
        .is_some_and(|why| why != code.to_string());
    if !failed && span.status == "error" && !explained {
        findings.span(
            FindingId::WrongStatus,
            &span.name,
            format!("answered {code} with the status `error`"),
            "leave the status unset",
        );
    }
}

/// `http://user:secret@host/`; OpenTelemetry allows the word REDACTED in their place.
fn has_credentials(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority
        .rsplit_once('@')
        .is_some_and(|(user, _)| user != "REDACTED:REDACTED")
}
