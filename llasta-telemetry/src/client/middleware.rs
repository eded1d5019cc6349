//! One attempt of a request.

use std::future::Future;
use std::pin::Pin;

use http::{Extensions, HeaderName};
use opentelemetry::Context as OtelContext;
use opentelemetry::baggage::{Baggage, BaggageExt};
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceState};
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next, Result};

use super::attempt::{self, Inside};
use super::{body, known};
use crate::context::{baggage, w3c};
use crate::schema::http as key;
use crate::span::{Span, pass};
use crate::telemetry::Telemetry;

/// The path of a request as a pattern, such as `/users/{id}`: a request extension. It names the
/// span and is `url.template`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UrlTemplate(pub &'static str);

/// The name of the service that is asked, such as `faiss-wrap`: a request extension. Service
/// graphs need it for neighbours that emit nothing themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerService(pub &'static str);

// A name that is parsed once costs half of one that is a text.
static TRACEPARENT: HeaderName = HeaderName::from_static(w3c::TRACEPARENT);
static TRACESTATE: HeaderName = HeaderName::from_static(w3c::TRACESTATE);
static BAGGAGE: HeaderName = HeaderName::from_static(baggage::BAGGAGE);

/// Opens a CLIENT span for each attempt and sends its ids and the baggage along.
///
/// Put it behind a middleware that sends requests again, such as `reqwest-retry`, and each attempt
/// has a span that says how often the request was sent before.
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
    withholds_baggage: bool,
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
            withholds_baggage: false,
        }
    }

    /// Does not send the baggage along: for servers of others, whom your users' session ids are no
    /// business of.
    #[must_use]
    pub fn without_baggage(mut self) -> Self {
        self.withholds_baggage = true;
        self
    }

    /// The span of an attempt, where it is kept or has to be current.
    fn begin(
        &self,
        telemetry: &Telemetry,
        request: &mut Request,
        extensions: &mut Extensions,
    ) -> Option<Span> {
        let resends = attempt::resends(extensions);
        if let Some(ids) = pass(telemetry) {
            OtelContext::map_current(|current| self.send(telemetry, request, &ids, current));
            return None;
        }
        let span = Span::begin(telemetry, &key::CLIENT, None, || {
            attempt::describe(request, extensions, resends)
        });
        let context = span.context();
        self.send(telemetry, request, context.span().span_context(), context);
        Some(span)
    }

    /// Writes what goes along.
    fn send(
        &self,
        telemetry: &Telemetry,
        request: &mut Request,
        ids: &SpanContext,
        context: &OtelContext,
    ) {
        if telemetry.propagates() && ids.is_valid() {
            send_ids(ids, request);
        }
        if telemetry.propagates_baggage() && !self.withholds_baggage {
            send_baggage(context.baggage(), request);
        }
    }
}

impl Middleware for TelemetryMiddleware {
    // What `#[async_trait]` would write, but for the copies of the request that it makes.
    fn handle<'middleware, 'extensions, 'rest, 'attempt>(
        &'middleware self,
        mut request: Request,
        extensions: &'extensions mut Extensions,
        next: Next<'rest>,
    ) -> Pin<Box<dyn Future<Output = Result<Response>> + Send + 'attempt>>
    where
        'middleware: 'attempt,
        'extensions: 'attempt,
        'rest: 'attempt,
    {
        Box::pin(async move {
            let span = match &self.telemetry {
                Some(telemetry) => self.begin(telemetry, &mut request, extensions),
                None => Telemetry::with_current(|telemetry| {
                    self.begin(telemetry, &mut request, extensions)
                }),
            };
            let rest = next.run(request, extensions);
            let answer = match &span {
                Some(span) => Inside::new(span, rest).await,
                None => rest.await,
            };
            if !matches!(&answer, Ok(response) if response.status().is_success()) {
                attempt::may_come_again(extensions);
            }
            let Some(span) = span.filter(Span::is_recording) else {
                return answer;
            };
            match answer {
                Ok(response) => {
                    attempt::answered(&span, response.status());
                    Ok(body::until_last_byte(response, span))
                }
                Err(error) => {
                    attempt::failed(&span, &error);
                    Err(error)
                }
            }
        })
    }
}

/// Writes `traceparent`, and `tracestate` where there is one.
fn send_ids(ids: &SpanContext, request: &mut Request) {
    let headers = request.headers_mut();
    let parent = w3c::format(ids.trace_id(), ids.span_id(), ids.is_sampled());
    if let Some(parent) = known::header(&parent) {
        headers.insert(&TRACEPARENT, parent);
    }
    // Nearly always there is none, which is seen without writing it.
    if *ids.trace_state() == TraceState::NONE {
        return;
    }
    let state = ids.trace_state().header();
    if let Some(state) = known::header(state.as_bytes()).filter(|_| !state.is_empty()) {
        headers.insert(&TRACESTATE, state);
    }
}

/// Writes `baggage` where there is any, beside what the request itself says.
fn send_baggage(entries: &Baggage, request: &mut Request) {
    if entries.is_empty() {
        return;
    }
    let entries = baggage::format(entries);
    if let Some(entries) = entries.and_then(|entries| known::header(entries.as_bytes())) {
        request.headers_mut().append(&BAGGAGE, entries);
    }
}
