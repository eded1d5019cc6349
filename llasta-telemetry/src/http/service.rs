//! `call`: the request comes in.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use opentelemetry::Context as OtelContext;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use tower_service::Service;

use super::exchange::Exchange;
use super::future::ResponseFuture;
use super::inner::Inner;
use super::request::{self, Headers};
use super::route::{self, Known, Routes};
use crate::schema::Kind;
use crate::span::{Opened, open};

/// A service whose requests are instrumented.
#[derive(Clone)]
pub struct Instrumented<S: Send> {
    pub(super) inner: Inner<S>,
    pub(super) routes: Arc<Routes>,
}

impl<S: Send> std::fmt::Debug for Instrumented<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instrumented").finish_non_exhaustive()
    }
}

impl<S, B, ResBody> Service<Request<B>> for Instrumented<S>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Send + 'static,
    S::Error: std::fmt::Display + 'static,
    ResBody: http_body::Body,
{
    type Response = Response<super::ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let known = self.routes.find(request.extensions());
        let telemetry = &known.settings.telemetry;
        let method = route::method(request.method());
        let headers = Headers::of(request.headers());
        let caller = if telemetry.propagates() {
            headers.caller(request.headers())
        } else {
            None
        };
        let baggage = if telemetry.propagates_baggage() {
            headers.baggage(request.headers())
        } else {
            None
        };
        // The span begins in a context that holds it.
        let _around = baggage.map(|baggage| OtelContext::current_with_baggage(baggage).attach());
        let clock = &telemetry.tracer().clock;
        let mut started = clock.steady();
        let opened = if known.spans && telemetry.is_enabled() {
            open(telemetry, Kind::Server, caller.as_ref(), || {
                // Both clocks next to each other: what comes between them is in the span's end.
                started = clock.now();
                (
                    started.wall,
                    known.span_name(method),
                    request::attributes(&request, &headers, &known, method),
                )
            })
        } else {
            without_span(&known, caller)
        };
        // Where the path is the route, the route says it.
        let path = match known.route {
            Some(route) if route == request.uri().path() => None,
            _ => Some(request.uri().path().into()),
        };
        let exchange = Exchange::begin(known, opened, started, method, path);
        let inner = {
            let _entered = (!self.inner.is_lazy()).then(|| exchange.enter());
            self.inner.call(request)
        };
        ResponseFuture {
            inner: Some(inner),
            exchange: Some(exchange),
        }
    }
}

/// The caller's trace passes through. On an excluded route nothing inside makes a span either.
#[cold]
fn without_span(known: &Known, caller: Option<SpanContext>) -> Opened {
    let context = match caller {
        Some(caller) => OtelContext::current().with_remote_span_context(caller),
        None => OtelContext::current(),
    };
    Opened {
        context: if known.excluded {
            context.with_telemetry_suppressed()
        } else {
            context
        },
        recording: false,
    }
}
