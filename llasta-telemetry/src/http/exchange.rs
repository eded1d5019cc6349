//! One request and its answer: everything that is settled once, at the end.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::StatusCode;
use opentelemetry::Value;

use super::layer::Settings;
use super::route::{Known, method_word};
use crate::context::{Entered, Ids, Scope};
use crate::line::Level;
use crate::metrics::Exemplar;
use crate::schema::LabelSet;
use crate::schema::http as key;
use crate::schema::labels::Outcome;
use crate::span::{Moment, Span};

/// How a handler says that an answer failed although its status is already out: a stream that
/// ends in an error event. Put a clone into the response's extensions and keep one.
///
/// ```
/// use llasta_telemetry::http::Failure;
///
/// let failure = Failure::default();
/// let mut response = http::Response::new("data: …");
/// response.extensions_mut().insert(failure.clone());
/// // later, when the stream breaks:
/// failure.set("llm_unavailable");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Failure(Arc<OnceLock<Cow<'static, str>>>);

impl Failure {
    /// Says why: a word of low cardinality, for `error.type`. The first one counts.
    pub fn set(&self, error_type: impl Into<Cow<'static, str>>) {
        let _ = self.0.set(error_type.into());
    }

    fn get(&self) -> Option<Cow<'static, str>> {
        self.0.get().cloned()
    }
}

/// One request and its answer. Whoever holds it last settles it, by [`settle`](Self::settle) or by
/// dropping it.
pub(super) struct Exchange {
    settings: Arc<Settings>,
    known: Arc<Known>,
    method: usize,
    /// The path, where it is not the route.
    path: Option<Box<str>>,
    started: Moment,
    /// The span, where this route makes one.
    span: Option<Span>,
    /// What is current while the request is worked on.
    scope: Scope,
    status: Option<StatusCode>,
    failure: Option<Failure>,
    first_byte_seen: bool,
    settled: bool,
}

/// How it ended.
pub(super) enum End {
    /// The last byte was handed over.
    Complete,
    /// The service or the body gave an error.
    Failed(&'static str, String),
    /// The service or the body panicked.
    Panicked,
    /// It was dropped before its end.
    Dropped,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange")
            .field("route", &self.known.route)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Exchange {
    pub(super) fn begin(
        settings: Arc<Settings>,
        known: Arc<Known>,
        method: usize,
        path: Option<Box<str>>,
        span: Option<Span>,
        scope: Scope,
    ) -> Self {
        if let Some(metrics) = &known.metrics {
            metrics.in_flight.add(1);
        }
        let started = match &span {
            Some(span) => span.started(),
            None => settings.telemetry.tracer().clock.now(),
        };
        Self {
            settings,
            known,
            method,
            path,
            started,
            span,
            scope,
            status: None,
            failure: None,
            first_byte_seen: false,
            settled: false,
        }
    }

    pub(super) fn enter(&self) -> Entered {
        self.scope.enter()
    }

    /// The head of the answer is there.
    pub(super) fn head<B>(&mut self, response: &http::Response<B>) {
        self.status = Some(response.status());
        self.failure = response.extensions().get::<Failure>().cloned();
    }

    /// Part of the answer's body is handed over.
    pub(super) fn byte(&mut self) {
        if !self.first_byte_seen {
            self.byte_after(self.lasted());
        }
    }

    /// The same, so long after the start.
    fn byte_after(&mut self, lasted: Duration) {
        if std::mem::replace(&mut self.first_byte_seen, true) {
            return;
        }
        let metrics = self.known.metrics.as_ref();
        if let Some(first_byte) = metrics.and_then(|metrics| metrics.first_byte.as_ref()) {
            first_byte.observe_with(lasted.as_secs_f64(), self.exemplar());
        }
    }

    fn lasted(&self) -> Duration {
        self.settings.telemetry.tracer().clock.since(&self.started)
    }

    /// Whether nothing is left to settle.
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    fn ids(&self) -> Option<Ids> {
        self.span.as_ref().map(Span::ids)
    }

    fn exemplar(&self) -> Option<Exemplar> {
        let ids = self.ids().filter(|ids| ids.sampled)?;
        Some(Exemplar {
            trace_id: ids.trace_id,
            span_id: ids.span_id,
        })
    }

    /// Settles everything, once.
    pub(super) fn settle(&mut self, end: End) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        let lasted = self.lasted();
        // An answer without a body has its first byte in its head.
        if matches!(end, End::Complete) {
            self.byte_after(lasted);
        }
        let seconds = lasted.as_secs_f64();
        let (outcome, error, message) = self.judge(end);
        if let Some(metrics) = &self.known.metrics {
            let exemplar = self.exemplar();
            metrics.in_flight.add(-1);
            metrics.requests[outcome.index()].add_with(1, exemplar);
            metrics.duration.observe_with(seconds, exemplar);
        }
        self.line(outcome, error.as_deref(), lasted);
        if let Some(span) = self.span.take() {
            if let Some(status) = self.status {
                span.put_if_recording(key::RESPONSE_STATUS_CODE.name(), || {
                    Value::I64(status.as_u16().into())
                });
            }
            if let Some(error) = error {
                span.fail(error, &message);
            }
            span.end_after(lasted);
        }
    }

    /// The outcome, and the word and message of the error if it is one.
    fn judge(&self, end: End) -> (Outcome, Option<Cow<'static, str>>, String) {
        let none = String::new;
        let (outcome, error, message) = match end {
            End::Complete => match self.status {
                // A refused request is one the service answered as it should.
                Some(status) if (self.settings.failed)(status) => {
                    (Outcome::Error, Some(status_word(status)), none())
                }
                _ => (Outcome::Success, None, none()),
            },
            End::Failed(kind, message) => (Outcome::Error, Some(kind.into()), message),
            End::Dropped if !std::thread::panicking() => {
                (Outcome::Cancelled, Some("client_disconnect".into()), none())
            }
            End::Panicked | End::Dropped => (Outcome::Error, Some("panic".into()), none()),
        };
        // What the handler says goes before what can be seen from here, also when the client
        // leaves at the error that it was told.
        match self.failure.as_ref().and_then(Failure::get) {
            Some(word) => (Outcome::Error, Some(word), message),
            None => (outcome, error, message),
        }
    }

    fn line(&self, outcome: Outcome, error: Option<&str>, lasted: Duration) {
        if !self.settings.access_lines {
            return;
        }
        let Some(lines) = self.settings.telemetry.lines() else {
            return;
        };
        let level = if outcome == Outcome::Error {
            Level::Error
        } else {
            Level::Info
        };
        let wanted = match level {
            Level::Error => {
                tracing::enabled!(target: "llasta_telemetry::access", tracing::Level::ERROR)
            }
            _ => tracing::enabled!(target: "llasta_telemetry::access", tracing::Level::INFO),
        };
        // Without a subscriber there is nobody who could have switched it off.
        let nobody = || {
            tracing::dispatcher::get_default(|current| {
                current.is::<tracing::subscriber::NoSubscriber>()
            })
        };
        if !wanted && !nobody() {
            return;
        }
        let ids = self.ids().unwrap_or_else(|| {
            let _entered = self.scope.enter();
            crate::context::ids()
        });
        let service = self.settings.telemetry.service_name();
        lines.write(level, "llasta_telemetry::access", service, ids, |line| {
            line.message("request");
            line.text("method", method_word(self.method));
            line.text(
                "path",
                self.path
                    .as_deref()
                    .or(self.known.route)
                    .unwrap_or_default(),
            );
            if let Some(route) = self.known.route {
                line.text("route", route);
            }
            if let Some(status) = self.status {
                line.integer("status", status.as_u16().into());
            }
            line.text("outcome", outcome.text());
            line.millis(
                "duration_ms",
                u64::try_from(lasted.as_micros()).unwrap_or(u64::MAX),
            );
            if let Some(error) = error {
                line.text(key::ERROR_TYPE.name(), error);
            }
        });
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.settle(End::Dropped);
    }
}

/// Settles the exchange when the code it watches panics. Whoever catches the panic may drop the
/// future later, which would look as if the client had left.
pub(super) struct OnPanic<'a>(&'a mut Option<Exchange>);

impl<'a> OnPanic<'a> {
    /// Runs the code in the exchange's scope.
    pub(super) fn watch<R>(exchange: &'a mut Option<Exchange>, work: impl FnOnce() -> R) -> R {
        let _entered = exchange.as_ref().map(Exchange::enter);
        let watching = Self(exchange);
        let result = work();
        std::mem::forget(watching);
        result
    }
}

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if let Some(exchange) = self.0 {
            exchange.settle(End::Panicked);
        }
    }
}

/// The status code as a word: most are known texts.
fn status_word(status: StatusCode) -> Cow<'static, str> {
    match status.as_u16() {
        500 => "500".into(),
        501 => "501".into(),
        502 => "502".into(),
        503 => "503".into(),
        504 => "504".into(),
        other => other.to_string().into(),
    }
}
