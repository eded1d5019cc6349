//! What a SERVER span says of the request, by OpenTelemetry's conventions.

use http::{HeaderMap, HeaderName, Request, Version, header};
use opentelemetry::trace::SpanContext;
use opentelemetry::{KeyValue, StringValue, Value};

use super::intern::intern;
use super::route::{Known, method_word};
use crate::context::w3c;
use crate::schema::http as key;

/// As many attributes as a request usually has in the end.
const USUAL: usize = 12;

// Looked up in every request: a name that is parsed once costs half of one that is a text.
static TRACEPARENT: HeaderName = HeaderName::from_static(w3c::TRACEPARENT);
static TRACESTATE: HeaderName = HeaderName::from_static(w3c::TRACESTATE);
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The caller's span, when it says which.
pub(super) fn caller(headers: &HeaderMap) -> Option<SpanContext> {
    let parent = headers.get(&TRACEPARENT)?;
    let state = headers
        .get(&TRACESTATE)
        .and_then(|state| state.to_str().ok());
    w3c::parse(parent.as_bytes(), state)
}

/// The attributes that are known at the start.
pub(super) fn attributes<B>(request: &Request<B>, known: &Known, method: usize) -> Vec<KeyValue> {
    let mut all = Vec::with_capacity(USUAL);
    let word = method_word(method);
    all.push(KeyValue::new(key::REQUEST_METHOD.name(), word));
    if word == "_OTHER" {
        let original: String = request.method().as_str().chars().take(32).collect();
        all.push(KeyValue::new(key::REQUEST_METHOD_ORIGINAL.name(), original));
    }
    if let Some(route) = known.route {
        all.push(KeyValue::new(key::ROUTE.name(), route));
    }
    let path = request.uri().path();
    all.push(match known.route {
        Some(route) if route == path => KeyValue::new(key::URL_PATH.name(), route),
        _ => KeyValue::new(key::URL_PATH.name(), path.to_owned()),
    });
    all.push(KeyValue::new(key::URL_SCHEME.name(), scheme(request)));
    if let Some((host, port)) = host(request) {
        all.push(text(key::SERVER_ADDRESS.name(), host));
        if let Some(port) = port {
            all.push(KeyValue::new(key::SERVER_PORT.name(), i64::from(port)));
        }
    }
    if let Some(version) = version(request.version()) {
        all.push(KeyValue::new(key::NETWORK_PROTOCOL_VERSION.name(), version));
    }
    if let Some(agent) = request
        .headers()
        .get(header::USER_AGENT)
        .and_then(|agent| agent.to_str().ok())
    {
        all.push(text(key::USER_AGENT_ORIGINAL.name(), agent));
    }
    all
}

fn text(name: &'static str, value: &str) -> KeyValue {
    KeyValue::new(name, Value::String(StringValue::from(intern(value))))
}

/// `https` when the request or the proxy in front says so.
fn scheme<B>(request: &Request<B>) -> &'static str {
    let forwarded = || {
        request
            .headers()
            .get(&FORWARDED_PROTO)
            .map(|value| value.as_bytes())
    };
    match request
        .uri()
        .scheme_str()
        .map(str::as_bytes)
        .or_else(forwarded)
    {
        Some(scheme) if scheme.eq_ignore_ascii_case(b"https") => "https",
        _ => "http",
    }
}

/// Host and port as the client wrote them.
fn host<B>(request: &Request<B>) -> Option<(&str, Option<u16>)> {
    if let Some(authority) = request.uri().authority() {
        return Some((authority.host(), authority.port_u16()));
    }
    let host = request.headers().get(header::HOST)?.to_str().ok()?;
    // An IPv6 address stands in brackets, and only a colon after them begins a port.
    let colon = match host.rfind(']') {
        Some(bracket) => host[bracket..].find(':').map(|colon| bracket + colon),
        None => host.rfind(':'),
    };
    let Some(colon) = colon else {
        return Some((host, None));
    };
    Some((&host[..colon], host[colon + 1..].parse().ok()))
}

pub(super) fn version(version: Version) -> Option<&'static str> {
    Some(match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_11 => "1.1",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => return None,
    })
}
