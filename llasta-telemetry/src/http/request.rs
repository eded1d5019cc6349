//! What a SERVER span says of the request, by OpenTelemetry's conventions.

use http::{HeaderMap, HeaderValue, Request, Version};
use opentelemetry::baggage::Baggage;
use opentelemetry::trace::SpanContext;
use opentelemetry::{KeyValue, StringValue, Value};

use super::hook::{Attributes, RequestHead};
use super::intern;
use super::route::{Known, method_word};
use crate::context::{baggage, w3c};
use crate::schema::http as key;

/// As many attributes as a request usually has in the end.
const USUAL: usize = 9;

/// The headers that matter here. All of them are found in one pass, which costs less than to look
/// them up.
#[derive(Default)]
pub(super) struct Headers<'a> {
    traceparent: Option<&'a HeaderValue>,
    tracestate: Option<&'a HeaderValue>,
    baggage: Option<&'a HeaderValue>,
    host: Option<&'a HeaderValue>,
    user_agent: Option<&'a HeaderValue>,
    forwarded_proto: Option<&'a HeaderValue>,
}

impl<'a> Headers<'a> {
    #[inline]
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            let place = match name.as_str() {
                "host" => &mut found.host,
                "user-agent" => &mut found.user_agent,
                w3c::TRACEPARENT => &mut found.traceparent,
                w3c::TRACESTATE => &mut found.tracestate,
                baggage::BAGGAGE => &mut found.baggage,
                "x-forwarded-proto" => &mut found.forwarded_proto,
                _ => continue,
            };
            // Of a header that comes twice the first counts.
            place.get_or_insert(value);
        }
        found
    }

    /// The caller's span, when it says which.
    #[inline]
    pub(super) fn caller(&self, all: &HeaderMap) -> Option<SpanContext> {
        let parent = self.traceparent?;
        if self.tracestate.is_none() {
            return w3c::parse(parent.as_bytes(), None);
        }
        // Several headers are one list.
        let states = all.get_all(w3c::TRACESTATE).iter();
        let states: Vec<_> = states.filter_map(|state| state.to_str().ok()).collect();
        w3c::parse(parent.as_bytes(), Some(&states.join(",")))
    }

    /// What the caller sends along.
    #[inline]
    pub(super) fn baggage(&self, all: &HeaderMap) -> Option<Baggage> {
        self.baggage?;
        baggage::parse(
            all.get_all(baggage::BAGGAGE)
                .iter()
                .map(HeaderValue::as_bytes),
        )
    }
}

/// The attributes that are known at the start.
pub(super) fn attributes<B>(
    request: &Request<B>,
    headers: &Headers<'_>,
    known: &Known,
    method: u8,
) -> Vec<KeyValue> {
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
    all.push(KeyValue::new(
        key::URL_SCHEME.name(),
        scheme(request, headers),
    ));
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    let host = match authority {
        Some(authority) => Some(authority.as_bytes()),
        None => headers.host.map(HeaderValue::as_bytes),
    };
    if let Some(host) = host.and_then(intern::host) {
        all.push(KeyValue::new(
            key::SERVER_ADDRESS.name(),
            Value::String(StringValue::from(host.name)),
        ));
        if let Some(port) = host.port {
            all.push(KeyValue::new(key::SERVER_PORT.name(), i64::from(port)));
        }
    }
    if let Some(version) = version(request.version()) {
        all.push(KeyValue::new(key::NETWORK_PROTOCOL_VERSION.name(), version));
    }
    if let Some(agent) = headers
        .user_agent
        .and_then(|agent| intern::text(agent.as_bytes()))
    {
        all.push(KeyValue::new(
            key::USER_AGENT_ORIGINAL.name(),
            Value::String(StringValue::from(agent)),
        ));
    }
    if let Some(hook) = &known.settings.on_request {
        let head = RequestHead {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
            route: known.route,
        };
        let mut put = |name, value| set(&mut all, name, value);
        hook(
            &head,
            &mut Attributes::new(&known.settings.telemetry, &mut put),
        );
    }
    all
}

/// What a hook says goes before what was there.
fn set(all: &mut Vec<KeyValue>, name: &'static str, value: Value) {
    match all.iter_mut().find(|known| known.key.as_str() == name) {
        Some(known) => known.value = value,
        None => all.push(KeyValue::new(name, value)),
    }
}

/// `https` when the request or the proxy in front says so.
fn scheme<B>(request: &Request<B>, headers: &Headers<'_>) -> &'static str {
    let said = match request.uri().scheme_str() {
        Some(scheme) => Some(scheme.as_bytes()),
        None => headers.forwarded_proto.map(HeaderValue::as_bytes),
    };
    match said {
        Some(scheme) if scheme.eq_ignore_ascii_case(b"https") => "https",
        _ => "http",
    }
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
