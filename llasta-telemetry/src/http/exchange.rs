//! One request and its answer: everything that is settled once, at the end.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use http::StatusCode;
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, KeyValue};

use super::access::Ended;
use super::hook::{Attributes, ResponseHead};
use super::route::Known;
use crate::context::{self, Entered, Ids};
use crate::metrics::{Exemplar, millis};
use crate::schema::LabelSet;
use crate::schema::http as key;
use crate::schema::labels::Outcome;
use crate::span::{self, Moment, Opened};

/// How whoever answers says why an answer failed, where its status does not: a stream that ends in
/// an error event, or a time-out that became an ordinary answer. It travels in the response's
/// extensions.
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
///
/// What is known at once is said at once:
///
/// ```
/// # use llasta_telemetry::http::Failure;
/// # struct Extension<T>(T);
/// # let status = http::StatusCode::GATEWAY_TIMEOUT;
/// let answer = (status, Extension(Failure::of("timeout")));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Failure(Arc<OnceLock<Cow<'static, str>>>);

impl Failure {
    /// A failure with this word of low cardinality for `error.type`.
    pub fn of(error_type: impl Into<Cow<'static, str>>) -> Self {
        let failure = Self::default();
        failure.set(error_type);
        failure
    }

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
///
/// It is moved several times on its way from the request to the last byte, so it is kept small.
pub(super) struct Exchange {
    known: Arc<Known>,
    /// What is current while the request is worked on: the SERVER span where this route makes one.
    context: Context,
    started: Moment,
    /// The path, where it is not the route.
    path: Option<Box<str>>,
    failure: Option<Failure>,
    status: Option<StatusCode>,
    /// Its place among the methods that are known.
    pub(super) method: u8,
    /// Whether the current span is this request's own, and kept.
    recording: bool,
    first_byte_seen: bool,
    settled: bool,
}

/// What went wrong.
struct Fault {
    /// Of low cardinality.
    word: Cow<'static, str>,
    message: String,
}

impl Fault {
    fn of(word: impl Into<Cow<'static, str>>) -> Self {
        Self {
            word: word.into(),
            message: String::new(),
        }
    }
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
    #[inline]
    pub(super) fn begin(
        known: Arc<Known>,
        opened: Opened,
        started: Moment,
        method: u8,
        path: Option<Box<str>>,
    ) -> Self {
        if let Some(metrics) = &known.metrics {
            metrics.in_flight.add(1);
        }
        Self {
            known,
            context: opened.context,
            started,
            path,
            failure: None,
            status: None,
            method,
            recording: opened.recording,
            first_byte_seen: false,
            settled: false,
        }
    }

    #[inline]
    pub(super) fn enter(&self) -> Entered {
        context::enter(&self.context, Some(&self.known.settings.telemetry))
    }

    /// The head of the answer is there.
    pub(super) fn head<B>(&mut self, response: &http::Response<B>) {
        self.status = Some(response.status());
        self.failure = response.extensions().get::<Failure>().cloned();
        if self.recording
            && let Some(hook) = &self.known.settings.on_response
        {
            let head = ResponseHead {
                status: response.status(),
                headers: response.headers(),
                extensions: response.extensions(),
            };
            let span = self.context.span();
            let mut put = |name, value| span.set_attribute(KeyValue::new(name, value));
            let telemetry = &self.known.settings.telemetry;
            hook(&head, &mut Attributes::new(telemetry, &mut put));
        }
    }

    /// Part of the answer's body is handed over.
    #[inline]
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
            let (exemplar, at) = self.exemplar(lasted);
            first_byte.observe_at(lasted.as_secs_f64(), exemplar, at);
        }
    }

    fn lasted(&self) -> Duration {
        let clock = &self.known.settings.telemetry.tracer().clock;
        clock.since(&self.started)
    }

    /// The time on the wall, so long after the start.
    fn at(&self, lasted: Duration) -> SystemTime {
        let settings = &self.known.settings;
        if self.recording {
            self.started.wall + lasted
        } else if settings.access.is_some() {
            settings.telemetry.tracer().clock.wall()
        } else {
            SystemTime::UNIX_EPOCH
        }
    }

    /// Whether nothing is left to settle.
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// The ids for exemplars of what happened so long after the start, and when that was.
    #[inline]
    fn exemplar(&self, lasted: Duration) -> (Option<Exemplar>, u64) {
        if !self.recording {
            return (None, 0);
        }
        let ids = Ids::of(&self.context);
        let exemplar = Exemplar {
            trace_id: ids.trace_id,
            span_id: ids.span_id,
        };
        (Some(exemplar), millis(self.started.wall + lasted))
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
        let (outcome, fault) = self.judge(end, lasted);
        if let Some(metrics) = &self.known.metrics {
            let (exemplar, at) = self.exemplar(lasted);
            metrics.in_flight.add(-1);
            metrics.requests[outcome.index()].add_at(1, exemplar, at);
            let seconds = lasted.as_secs_f64();
            metrics.duration.observe_at(seconds, exemplar, at);
        }
        if self.recording || self.known.settings.access.is_some() {
            self.report(outcome, fault, lasted);
        }
    }

    /// Writes the access line and ends the span.
    fn report(&self, outcome: Outcome, fault: Option<Fault>, lasted: Duration) {
        let at = self.at(lasted);
        if let Some(access) = &self.known.settings.access {
            access.write(&Ended {
                known: &self.known,
                context: &self.context,
                method: self.method,
                path: self.path.as_deref(),
                status: self.status,
                outcome,
                error: fault.as_ref().map(|fault| &*fault.word),
                at,
                lasted,
            });
        }
        if self.recording {
            let span = self.context.span();
            if let Some(status) = self.status {
                span.set_attribute(KeyValue::new(
                    key::RESPONSE_STATUS_CODE.name(),
                    i64::from(status.as_u16()),
                ));
            }
            if let Some(fault) = fault {
                span::fail(&span, fault.word, &fault.message);
            }
            span.end_with_timestamp(at);
        }
    }

    /// The outcome, and what went wrong.
    #[inline]
    fn judge(&self, end: End, lasted: Duration) -> (Outcome, Option<Fault>) {
        let failed = |status| (self.known.settings.failed)(status);
        match end {
            // A refused request is one the service answered as it should.
            End::Complete if self.failure.is_none() && !self.status.is_some_and(failed) => {
                (Outcome::Success, None)
            }
            end => self.judge_failure(end, lasted),
        }
    }

    #[cold]
    fn judge_failure(&self, end: End, lasted: Duration) -> (Outcome, Option<Fault>) {
        let settings = &self.known.settings;
        let (outcome, fault) = match end {
            End::Complete => match self.status.filter(|status| (settings.failed)(*status)) {
                Some(status) => (Outcome::Error, Some(Fault::of(status_word(status)))),
                None => (Outcome::Success, None),
            },
            End::Failed(kind, message) => {
                let word = kind.into();
                (Outcome::Error, Some(Fault { word, message }))
            }
            End::Panicked => (Outcome::Error, Some(Fault::of("panic"))),
            End::Dropped if std::thread::panicking() => (Outcome::Error, Some(Fault::of("panic"))),
            End::Dropped if settings.outer_timeout.is_some_and(|limit| lasted >= limit) => {
                (Outcome::Error, Some(Fault::of("timeout")))
            }
            End::Dropped => (Outcome::Cancelled, Some(Fault::of(key::CLIENT_DISCONNECT))),
        };
        // What the handler says goes before what can be seen from here, also when the client
        // leaves at the error that it was told.
        match self.failure.as_ref().and_then(Failure::get) {
            Some(word) => {
                let message = fault.map(|fault| fault.message).unwrap_or_default();
                (Outcome::Error, Some(Fault { word, message }))
            }
            None => (outcome, fault),
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.settled {
            self.settle(End::Dropped);
        }
    }
}

/// Settles the exchange when the code it watches panics. Whoever catches the panic may drop the
/// future later, which would look as if the client had left.
pub(super) struct OnPanic<'a>(&'a mut Exchange);

impl<'a> OnPanic<'a> {
    /// Runs the code in the exchange's scope.
    #[inline]
    pub(super) fn watch<R>(exchange: &'a mut Exchange, work: impl FnOnce() -> R) -> R {
        let _entered = exchange.enter();
        let watching = Self(exchange);
        let result = work();
        std::mem::forget(watching);
        result
    }
}

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        self.0.settle(End::Panicked);
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
