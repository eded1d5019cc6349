//! Exemplars: which trace to look at for a value like this one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{SpanId, TraceId};

use crate::context;

/// The ids of a sampled span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exemplar {
    /// Its trace.
    pub trace_id: TraceId,
    /// The span itself.
    pub span_id: SpanId,
}

impl Exemplar {
    /// The ids of the current span, when it is sampled.
    pub fn current() -> Option<Self> {
        let ids = context::ids();
        ids.sampled.then_some(Self {
            trace_id: ids.trace_id,
            span_id: ids.span_id,
        })
    }
}

/// Room for one exemplar, written and read without a lock.
///
/// `version` is odd while somebody writes. A second writer walks away (its exemplar is as good as
/// the other's), a reader who saw it change reports none.
#[derive(Debug, Default)]
pub(super) struct Slot {
    version: AtomicU64,
    trace_high: AtomicU64,
    trace_low: AtomicU64,
    span: AtomicU64,
    value: AtomicU64,
    /// Milliseconds since 1970.
    at: AtomicU64,
}

/// What a slot held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) exemplar: Exemplar,
    pub(super) value: f64,
    pub(super) at_millis: u64,
}

impl Slot {
    pub(super) fn write(&self, exemplar: Exemplar, value: f64) {
        let version = self.version.load(Ordering::Relaxed);
        if version % 2 == 1
            || self
                .version
                .compare_exchange(version, version + 1, Ordering::Acquire, Ordering::Relaxed)
                .is_err()
        {
            return;
        }
        let trace = u128::from_be_bytes(exemplar.trace_id.to_bytes());
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as u64);
        // Nothing below may be seen before the odd version: each store releases what is before it.
        self.trace_high
            .store((trace >> 64) as u64, Ordering::Release);
        self.trace_low.store(trace as u64, Ordering::Release);
        self.span.store(
            u64::from_be_bytes(exemplar.span_id.to_bytes()),
            Ordering::Release,
        );
        self.value.store(value.to_bits(), Ordering::Release);
        self.at.store(at, Ordering::Release);
        self.version.store(version + 2, Ordering::Release);
    }

    pub(super) fn read(&self) -> Option<Held> {
        let version = self.version.load(Ordering::Acquire);
        if version == 0 || version % 2 == 1 {
            return None;
        }
        let high = self.trace_high.load(Ordering::Acquire);
        let low = self.trace_low.load(Ordering::Acquire);
        let span = self.span.load(Ordering::Acquire);
        let value = self.value.load(Ordering::Acquire);
        let at_millis = self.at.load(Ordering::Acquire);
        if self.version.load(Ordering::Relaxed) != version {
            return None;
        }
        let trace = u128::from(high) << 64 | u128::from(low);
        Some(Held {
            exemplar: Exemplar {
                trace_id: TraceId::from_bytes(trace.to_be_bytes()),
                span_id: SpanId::from_bytes(span.to_be_bytes()),
            },
            value: f64::from_bits(value),
            at_millis,
        })
    }
}
