//! The current span and the current telemetry of this thread.

use std::cell::Cell;

use opentelemetry::trace::{SpanId, TraceContextExt, TraceId};
use opentelemetry::{Context, ContextGuard};

use crate::telemetry::Telemetry;

thread_local! {
    /// Swapped as a whole, since that is what happens most; whoever reads it puts it back.
    static TELEMETRY: Cell<Option<Telemetry>> = const { Cell::new(None) };
}

/// The ids of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    /// Its trace; all zeros outside of any span.
    pub trace_id: TraceId,
    /// The span itself.
    pub span_id: SpanId,
    /// Whether it is recorded and exported.
    pub sampled: bool,
}

impl Ids {
    /// The ids of the span that is current in a context.
    pub(crate) fn of(context: &Context) -> Self {
        let span = context.span();
        let span = span.span_context();
        Self {
            trace_id: span.trace_id(),
            span_id: span.span_id(),
            sampled: span.is_sampled(),
        }
    }

    /// Whether there is a span at all.
    pub fn is_valid(&self) -> bool {
        self.trace_id != TraceId::INVALID && self.span_id != SpanId::INVALID
    }
}

/// The ids of the current span.
pub fn ids() -> Ids {
    Context::map_current(Ids::of)
}

/// The telemetry that records the current span, when there is one.
pub(crate) fn current_telemetry<R>(read: impl FnOnce(Option<&Telemetry>) -> R) -> R {
    let current = TELEMETRY.with(|current| {
        let telemetry = current.take();
        current.set(telemetry.clone());
        telemetry
    });
    read(current.as_ref())
}

/// A context that can be entered: a span's, or the one that was current when it was taken.
#[derive(Debug, Clone)]
pub struct Scope {
    pub(crate) context: Context,
    pub(crate) telemetry: Option<Telemetry>,
}

impl Scope {
    /// What is current now.
    pub fn current() -> Self {
        Self {
            context: Context::current(),
            telemetry: current_telemetry(|telemetry| telemetry.cloned()),
        }
    }

    /// Makes it current on this thread until the guard is dropped. For code without an `await`;
    /// futures are wrapped by [`carry`](super::carry) or a span's `run`.
    #[inline]
    pub fn enter(&self) -> Entered {
        enter(&self.context, self.telemetry.as_ref())
    }
}

/// Makes a context and a telemetry current on this thread until the guard is dropped.
#[inline]
pub(crate) fn enter(context: &Context, telemetry: Option<&Telemetry>) -> Entered {
    Entered {
        outer: TELEMETRY.replace(telemetry.cloned()),
        _context: context.clone().attach(),
    }
}

/// While this lives, a [`Scope`] is current on this thread.
#[derive(Debug)]
#[must_use = "the scope is left when this is dropped"]
pub struct Entered {
    /// What was current before.
    outer: Option<Telemetry>,
    /// Dropped after `outer` is put back; also keeps the guard on its thread.
    _context: ContextGuard,
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        // `try_with`: the thread may be ending.
        let _ = TELEMETRY.try_with(|current| current.set(self.outer.take()));
    }
}
