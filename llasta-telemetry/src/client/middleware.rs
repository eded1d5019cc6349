//! One attempt of a request.

use std::borrow::Cow;

use async_trait::async_trait;
use http::{Extensions, HeaderValue, Method};
use opentelemetry::{KeyValue, Value};
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};

use super::{body, url};
use crate::context::w3c;
use crate::schema::http as key;
use crate::span::Span;
use crate::telemetry::Telemetry;

/// The path of a request as a pattern, such as `/users/{id}`: a request extension. It names the
/// span and is `url.template`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UrlTemplate(pub &'static str);

/// The name of the service that is asked, such as `faiss-wrap`: a request extension. Service
/// graphs need it for neighbours that emit nothing themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerService(pub &'static str);

/// How often this request was sent before.
#[derive(Debug, Clone, Copy)]
struct Resends(i64);

/// Opens a CLIENT span for each attempt and sends its ids along.
///
/// ```
/// use llasta_telemetry::client::{TelemetryMiddleware, UrlTemplate};
/// use reqwest_middleware::ClientBuilder;
///
/// let client = ClientBuilder::new(reqwest::Client::new()).with(TelemetryMiddleware::new()).build();
/// let request = client.post("http://faiss-wrap:9000/search").with_extension(UrlTemplate("/search"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct TelemetryMiddleware {
    telemetry: Option<Telemetry>,
}

impl TelemetryMiddleware {
    /// Spans are recorded by the telemetry that is current when a request is sent.
    pub fn new() -> Self {
        Self::default()
    }

    /// Spans are recorded by this telemetry.
    pub fn recorded_by(telemetry: &Telemetry) -> Self {
        Self {
            telemetry: Some(telemetry.clone()),
        }
    }
}

#[async_trait]
impl Middleware for TelemetryMiddleware {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let telemetry = self.telemetry.clone().unwrap_or_else(Telemetry::current);
        let resends = extensions.get::<Resends>().map_or(0, |resends| resends.0);
        extensions.insert(Resends(resends + 1));
        let span = Span::begin(&telemetry, &key::CLIENT, None, || {
            describe(&request, extensions, resends)
        });
        if telemetry.propagates() {
            inject(&span, &mut request);
        }
        match span.run(next.run(request, extensions)).await {
            Ok(response) => {
                let status = response.status();
                span.put_if_recording(key::RESPONSE_STATUS_CODE.name(), || {
                    Value::I64(status.as_u16().into())
                });
                if status.is_client_error() || status.is_server_error() {
                    span.fail(status.as_u16().to_string(), "");
                }
                Ok(if span.is_recording() {
                    body::until_last_byte(response, span)
                } else {
                    response
                })
            }
            Err(error) => {
                span.fail(kind(&error), &innermost(&error));
                Err(error)
            }
        }
    }
}

/// Name and attributes, by OpenTelemetry's conventions.
fn describe(
    request: &Request,
    extensions: &Extensions,
    resends: i64,
) -> (Cow<'static, str>, Vec<KeyValue>) {
    let mut all = Vec::with_capacity(9);
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "_OTHER",
    };
    all.push(KeyValue::new(key::REQUEST_METHOD.name(), method));
    if method == "_OTHER" {
        all.push(KeyValue::new(
            key::REQUEST_METHOD_ORIGINAL.name(),
            request.method().to_string(),
        ));
    }
    all.push(KeyValue::new(
        key::URL_FULL.name(),
        url::presentable(request.url()),
    ));
    if let Some(host) = request.url().host_str() {
        all.push(KeyValue::new(key::SERVER_ADDRESS.name(), host.to_owned()));
    }
    if let Some(port) = request.url().port_or_known_default() {
        all.push(KeyValue::new(key::SERVER_PORT.name(), i64::from(port)));
    }
    let word = if method == "_OTHER" { "HTTP" } else { method };
    let name = match extensions.get::<UrlTemplate>() {
        Some(UrlTemplate(template)) => {
            all.push(KeyValue::new(key::URL_TEMPLATE.name(), *template));
            Cow::Owned(format!("{word} {template}"))
        }
        None => Cow::Borrowed(word),
    };
    if let Some(PeerService(service)) = extensions.get::<PeerService>() {
        all.push(KeyValue::new(key::PEER_SERVICE.name(), *service));
    }
    if resends > 0 {
        all.push(KeyValue::new(key::REQUEST_RESEND_COUNT.name(), resends));
    }
    (name, all)
}

/// Writes `traceparent`, and `tracestate` where there is one.
fn inject(span: &Span, request: &mut Request) {
    let ids = span.ids();
    if !ids.is_valid() {
        return;
    }
    let parent = w3c::format(ids.trace_id, ids.span_id, ids.sampled);
    if let Ok(parent) = HeaderValue::from_bytes(&parent) {
        request.headers_mut().insert(w3c::TRACEPARENT, parent);
    }
    if let Some(state) = span.trace_state()
        && let Ok(state) = HeaderValue::from_str(&state)
    {
        request.headers_mut().insert(w3c::TRACESTATE, state);
    }
}

/// A word of low cardinality for an attempt that got no answer.
fn kind(error: &Error) -> &'static str {
    match error {
        Error::Middleware(_) => "middleware_error",
        Error::Reqwest(error) if error.is_timeout() => "timeout",
        Error::Reqwest(error) if error.is_connect() => "connect_error",
        Error::Reqwest(error) if error.is_body() => "body_error",
        Error::Reqwest(_) => "request_error",
    }
}

/// What lies at the bottom of an error: `Connection refused (os error 111)`.
fn innermost(error: &Error) -> String {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
