//! `call`: the request comes in.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use opentelemetry::Context as OtelContext;
use opentelemetry::trace::TraceContextExt;
use tower_service::Service;

use super::exchange::Exchange;
use super::future::ResponseFuture;
use super::layer::Settings;
use super::request;
use super::route::{self, RouteCache};
use crate::context::Scope;
use crate::schema::http::SERVER;
use crate::span::Span;

/// A service whose requests are instrumented.
#[derive(Clone)]
pub struct Instrumented<S> {
    pub(super) inner: S,
    pub(super) settings: Arc<Settings>,
    pub(super) routes: Arc<RouteCache>,
}

impl<S: std::fmt::Debug> std::fmt::Debug for Instrumented<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instrumented")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, B, ResBody> Service<Request<B>> for Instrumented<S>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    S::Error: std::fmt::Display,
    ResBody: http_body::Body,
{
    type Response = Response<super::ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let telemetry = &self.settings.telemetry;
        let known = self.routes.find(request.extensions(), &self.settings);
        let method = route::method(request.method());
        let head = request.method() == http::Method::HEAD;
        let caller = if telemetry.propagates() {
            request::caller(request.headers())
        } else {
            None
        };
        let (span, scope) = if known.spans && telemetry.is_enabled() {
            let span = Span::begin(telemetry, &SERVER, caller, || {
                (
                    known.span_name(method),
                    request::attributes(&request, &known, method),
                )
            });
            let scope = span.scope();
            (Some(span), scope)
        } else {
            let context = match caller {
                Some(caller) => OtelContext::current().with_remote_span_context(caller),
                None => OtelContext::current(),
            };
            let context = if known.excluded {
                context.with_telemetry_suppressed()
            } else {
                context
            };
            (
                None,
                Scope {
                    context,
                    telemetry: Some(telemetry.clone()),
                },
            )
        };
        // Where the path is the route, the route says it.
        let path = match known.route {
            Some(route) if route == request.uri().path() => None,
            _ => Some(request.uri().path().into()),
        };
        let exchange = Exchange::begin(self.settings.clone(), known, method, path, span, scope);
        let inner = {
            let _entered = exchange.enter();
            self.inner.call(request)
        };
        ResponseFuture {
            inner: Some(inner),
            exchange: Some(exchange),
            head,
        }
    }
}
