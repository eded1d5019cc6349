//! Floor 2: the telemetry of one service.

use std::fmt;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::Duration;

use opentelemetry::{InstrumentationScope, Key};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;

use crate::content::ContentPolicy;
use crate::context;
use crate::line::LineSink;
use crate::metrics::Registry;
use crate::schema::Schema;
use crate::span::{Ids, Names, Sampler, SpanSink, SystemClock, Tracer};

/// The telemetry of one service: who it is, what it records, where that goes.
///
/// A value, cheap to clone. Two in one process, each with its own resource and registry, do not
/// disturb each other: a span is recorded by whoever records its parent.
///
/// Made by `Telemetry::builder`; `Telemetry::disabled` records nothing.
#[derive(Clone)]
pub struct Telemetry(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) service: Arc<str>,
    pub(crate) resource: Resource,
    pub(crate) enabled: bool,
    pub(crate) propagate: Propagate,
    /// Which baggage entries become attributes and log fields.
    pub(crate) baggage_keys: Box<[Key]>,
    pub(crate) tracer: Tracer,
    pub(crate) registry: Registry,
    pub(crate) content: ContentPolicy,
    pub(crate) schema: Schema,
    pub(crate) lines: Option<LineSink>,
    pub(crate) exporting: Arc<dyn Exporting>,
}

/// What is read from callers and sent to neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Propagate {
    pub(crate) trace_context: bool,
    pub(crate) baggage: bool,
}

impl Propagate {
    /// The specification's default.
    pub(crate) const ALL: Self = Self {
        trace_context: true,
        baggage: true,
    };
    pub(crate) const NONE: Self = Self {
        trace_context: false,
        baggage: false,
    };
}

/// What runs behind a telemetry until it is shut down.
pub(crate) trait Exporting: Send + Sync {
    /// Sends what waits, and comes back when it is sent or the deadline has passed.
    fn flush(&self, deadline: Duration) -> Report;

    /// The same, and then stops.
    fn shutdown(&self, deadline: Duration) -> Report;
}

/// What became of the spans of a telemetry, from its start until now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Spans the collector took.
    pub exported: u64,
    /// Spans that found the queue full.
    pub dropped: u64,
    /// Spans the collector refused, or that could not be sent in time.
    pub failed: u64,
}

impl Report {
    /// Whether nothing was lost.
    pub fn is_complete(&self) -> bool {
        self.dropped == 0 && self.failed == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            exported,
            dropped,
            failed,
        } = self;
        write!(
            f,
            "{exported} spans exported, {dropped} dropped, {failed} failed"
        )
    }
}

/// The telemetry that records where none is current.
static DEFAULT: RwLock<Option<Telemetry>> = RwLock::new(None);

static DISABLED: LazyLock<Telemetry> = LazyLock::new(|| {
    Telemetry(Arc::new(Inner {
        service: Arc::from("unknown_service"),
        resource: Resource::builder_empty().build(),
        enabled: false,
        propagate: Propagate::NONE,
        baggage_keys: Box::default(),
        tracer: Tracer {
            sampler: Sampler::AlwaysOff,
            names: Names::Both,
            ids: Ids::Random(Default::default()),
            clock: SystemClock::System,
            sink: Arc::new(Nowhere),
        },
        registry: Registry::new(),
        content: ContentPolicy::default(),
        schema: Schema::contract(),
        lines: None,
        exporting: Arc::new(Nowhere),
    }))
});

impl Telemetry {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// One that records nothing, hands out no ids and has a page of its own.
    pub fn disabled() -> Self {
        DISABLED.clone()
    }

    /// The telemetry that records here: that of the current span, or the installed one, or none.
    pub fn current() -> Self {
        Self::with_current(Clone::clone)
    }

    /// The same without a clone.
    pub fn with_current<R>(read: impl FnOnce(&Self) -> R) -> R {
        context::current_telemetry(|current| match current {
            Some(telemetry) => read(telemetry),
            None => match &*DEFAULT.read().unwrap_or_else(PoisonError::into_inner) {
                Some(telemetry) => read(telemetry),
                None => read(&DISABLED),
            },
        })
    }

    /// Makes this the one that records where none is current. The first one stays.
    pub(crate) fn make_default(&self) {
        let mut default = DEFAULT.write().unwrap_or_else(PoisonError::into_inner);
        if default.is_none() {
            *default = Some(self.clone());
        }
    }

    /// Where this service's metrics are registered.
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// The name of the service.
    pub fn service_name(&self) -> &str {
        &self.0.service
    }

    /// Who says it: the resource that goes with every span.
    pub fn resource(&self) -> &Resource {
        &self.0.resource
    }

    /// What of people's words may leave the service.
    pub fn content(&self) -> &ContentPolicy {
        &self.0.content
    }

    /// What this service declares: the contract, and schemas of its own.
    pub fn schema(&self) -> &Schema {
        &self.0.schema
    }

    /// Whether spans are recorded at all; `OTEL_SDK_DISABLED` switches them off.
    pub fn is_enabled(&self) -> bool {
        self.0.enabled
    }

    /// Whether ids are read from callers and sent along to neighbours; `OTEL_PROPAGATORS` without
    /// `tracecontext` switches that off.
    pub fn propagates(&self) -> bool {
        self.0.propagate.trace_context
    }

    /// Whether baggage is read from callers and sent along to neighbours; `OTEL_PROPAGATORS`
    /// without `baggage` switches that off.
    pub fn propagates_baggage(&self) -> bool {
        self.0.propagate.baggage
    }

    /// Which [baggage](crate::context::baggage) entries become attributes and log fields.
    pub fn baggage_keys(&self) -> &[Key] {
        &self.0.baggage_keys
    }

    /// Where log lines go, when they are written at all.
    pub fn lines(&self) -> Option<&LineSink> {
        self.0.lines.as_ref()
    }

    pub(crate) fn tracer(&self) -> &Tracer {
        &self.0.tracer
    }

    /// Sends the spans that wait, on a thread of its own. Blocks until they are sent or the
    /// deadline has passed; in async code prefer [`flush`](Self::flush).
    pub fn flush_blocking(&self, deadline: Duration) -> Report {
        self.0.exporting.flush(deadline)
    }

    /// Sends the spans that wait. Safe in any runtime: the work is done on a thread of its own.
    pub async fn flush(&self, deadline: Duration) -> Report {
        let telemetry = self.clone();
        off_thread(move || telemetry.flush_blocking(deadline)).await
    }

    /// Sends the spans that wait and stops exporting. Blocks until the deadline at most; in async
    /// code prefer [`shutdown`](Self::shutdown). Later spans are counted as dropped.
    pub fn shutdown_blocking(&self, deadline: Duration) -> Report {
        self.0.exporting.shutdown(deadline)
    }

    /// Sends the spans that wait, stops exporting and says what became of all of them. Safe in any
    /// runtime: the work is done on a thread of its own, within five seconds.
    pub async fn shutdown(&self) -> Report {
        let telemetry = self.clone();
        off_thread(move || telemetry.shutdown_blocking(SHUTDOWN_DEADLINE)).await
    }
}

/// How long a shutdown may take when nobody says otherwise.
pub(crate) const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("service", &self.0.service)
            .finish_non_exhaustive()
    }
}

/// The instrumentation scope of every span of ours.
pub(crate) fn instrumentation_scope() -> InstrumentationScope {
    InstrumentationScope::builder("llasta-telemetry")
        .with_version(env!("CARGO_PKG_VERSION"))
        .build()
}

/// Runs a blocking call on a thread of its own and waits for it without blocking the caller's.
async fn off_thread(work: impl FnOnce() -> Report + Send + 'static) -> Report {
    use std::sync::Mutex;
    use std::task::{Poll, Waker};

    #[derive(Default)]
    struct State {
        report: Option<Report>,
        waker: Option<Waker>,
    }
    let state = Arc::new(Mutex::new(State::default()));
    let shared = state.clone();
    let spawned = std::thread::Builder::new()
        .name("llasta-shutdown".into())
        .spawn(move || {
            let report = work();
            let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
            state.report = Some(report);
            if let Some(waker) = state.waker.take() {
                waker.wake();
            }
        });
    if spawned.is_err() {
        return Report::default();
    }
    std::future::poll_fn(move |task| {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.report {
            Some(report) => Poll::Ready(report),
            None => {
                state.waker = Some(task.waker().clone());
                Poll::Pending
            }
        }
    })
    .await
}

/// Takes everything and keeps nothing.
#[cfg(feature = "otlp")]
pub(crate) fn nowhere() -> Arc<Nowhere> {
    Arc::new(Nowhere)
}

#[derive(Debug)]
pub(crate) struct Nowhere;

impl SpanSink for Nowhere {
    fn on_end(&self, _: SpanData) {}
}

impl Exporting for Nowhere {
    fn flush(&self, _: Duration) -> Report {
        Report::default()
    }

    fn shutdown(&self, _: Duration) -> Report {
        Report::default()
    }
}
