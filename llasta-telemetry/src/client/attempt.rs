//! What a CLIENT span says of an attempt, by OpenTelemetry's conventions.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Extensions, Method, StatusCode};
use opentelemetry::{KeyValue, Value};
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Result};

use super::middleware::{PeerService, UrlTemplate};
use super::{known, url};
use crate::schema::http as key;
use crate::span::Span;

/// As many attributes as an attempt usually has in the end.
const USUAL: usize = 8;

/// This request was sent once. Takes no memory, unlike a number.
#[derive(Debug, Clone, Copy)]
struct Sent;

/// How often this request was sent again.
#[derive(Debug, Clone, Copy)]
struct Resends(i64);

/// How often this request was sent before. Counts this time, unless that would be the only reason
/// for the request to have extensions: then [`may_come_again`] does.
pub(super) fn resends(extensions: &mut Extensions) -> i64 {
    if extensions.is_empty() {
        return 0;
    }
    if let Some(resends) = extensions.get_mut::<Resends>() {
        resends.0 += 1;
        return resends.0;
    }
    let again = extensions.insert(Sent).is_some();
    if again {
        extensions.insert(Resends(1));
    }
    i64::from(again)
}

/// Counts an attempt that somebody may repeat. What succeeded is not sent again, so a request
/// without extensions that succeeds at once is spared the map.
pub(super) fn may_come_again(extensions: &mut Extensions) {
    if extensions.is_empty() {
        extensions.insert(Sent);
    }
}

/// Name and attributes that are known at the start.
pub(super) fn describe(
    request: &Request,
    extensions: &Extensions,
    resends: i64,
) -> (Cow<'static, str>, Vec<KeyValue>) {
    let mut all = Vec::with_capacity(USUAL);
    let method = method(request.method());
    let template = extensions.get::<UrlTemplate>().map(|template| template.0);
    all.push(KeyValue::new(key::REQUEST_METHOD.name(), method));
    if method == OTHER {
        all.push(KeyValue::new(
            key::REQUEST_METHOD_ORIGINAL.name(),
            request.method().to_string(),
        ));
    }
    all.push(KeyValue::new(
        key::URL_FULL.name(),
        full(request.url(), template),
    ));
    if let Some(host) = request.url().host_str() {
        all.push(KeyValue::new(
            key::SERVER_ADDRESS.name(),
            Value::String(known::host(host)),
        ));
    }
    if let Some(port) = request.url().port_or_known_default() {
        all.push(KeyValue::new(key::SERVER_PORT.name(), i64::from(port)));
    }
    let word = if method == OTHER { "HTTP" } else { method };
    let name = match template {
        Some(template) => {
            all.push(KeyValue::new(key::URL_TEMPLATE.name(), template));
            known::span_name(word, template)
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

/// The address as a span may carry it.
fn full(url: &reqwest::Url, template: Option<&str>) -> Value {
    let shown = url::presentable(url);
    // A template with parameters or a query says that the next address is another one.
    let usual = matches!(shown, Cow::Borrowed(_))
        && url.query().is_none()
        && template.is_none_or(|template| template == url.path());
    Value::String(if usual {
        known::address(&shown)
    } else {
        shown.into_owned().into()
    })
}

const OTHER: &str = "_OTHER";

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => OTHER,
    }
}

/// What the head of an answer says.
pub(super) fn answered(span: &Span, status: StatusCode) {
    let code = status.as_u16();
    span.put_if_recording(key::RESPONSE_STATUS_CODE.name(), || Value::I64(code.into()));
    if status.is_client_error() || status.is_server_error() {
        span.fail(word(code), "");
    }
}

/// The usual refusals, without a copy.
fn word(code: u16) -> Cow<'static, str> {
    Cow::Borrowed(match code {
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        408 => "408",
        409 => "409",
        413 => "413",
        422 => "422",
        429 => "429",
        500 => "500",
        502 => "502",
        503 => "503",
        504 => "504",
        other => return other.to_string().into(),
    })
}

/// No answer came.
pub(super) fn failed(span: &Span, error: &Error) {
    span.fail(kind(error), &innermost(error));
}

/// A word of low cardinality for an attempt that got no answer.
fn kind(error: &Error) -> &'static str {
    match of_reqwest(error) {
        None => "middleware_error",
        Some(error) if error.is_timeout() => "timeout",
        Some(error) if error.is_connect() => "connect_error",
        Some(error) if error.is_body() => "body_error",
        Some(_) => "request_error",
    }
}

/// What reqwest said, however other middleware has wrapped it.
fn of_reqwest(error: &Error) -> Option<&reqwest::Error> {
    match error {
        Error::Reqwest(error) => Some(error),
        Error::Middleware(error) => error.chain().find_map(|cause| {
            cause.downcast_ref::<reqwest::Error>().or_else(|| {
                match cause.downcast_ref::<Error>()? {
                    Error::Reqwest(error) => Some(error),
                    Error::Middleware(_) => None,
                }
            })
        }),
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

/// The rest of the chain, polled and dropped with the span current.
pub(super) struct Inside<'a> {
    span: &'a Span,
    rest: Option<Rest<'a>>,
}

type Rest<'a> = Pin<Box<dyn Future<Output = Result<Response>> + Send + 'a>>;

impl<'a> Inside<'a> {
    pub(super) fn new(span: &'a Span, rest: Rest<'a>) -> Self {
        Self {
            span,
            rest: Some(rest),
        }
    }
}

impl Future for Inside<'_> {
    type Output = Result<Response>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Result<Response>> {
        let _entered = self.span.enter();
        let Some(rest) = &mut self.rest else {
            return Poll::Pending;
        };
        let answer = ready!(rest.as_mut().poll(task));
        self.rest = None;
        Poll::Ready(answer)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if self.rest.is_some() {
            let _entered = self.span.enter();
            self.rest = None;
        }
    }
}
