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

/// A time as exemplars say it: milliseconds since 1970.
pub(crate) fn millis(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| {
        since.as_secs() * 1000 + u64::from(since.subsec_millis())
    })
}

/// Room for one exemplar, written and read without a lock.
///
/// `version` is odd while somebody writes. A second writer walks away (its exemplar is as good as
/// the other's); a reader who saw it change reads again, a few times.
///
/// What is read is always what one writer wrote. A reader that sees a field of a later writer
/// acquires it, and with it the odd version that this writer set before: the second look at the
/// version differs from the first. A reader that sees a version acquires every field that was
/// written before it.
#[derive(Debug, Default)]
pub(super) struct Slot {
    version: AtomicU64,
    trace: [AtomicU64; 2],
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

/// How often a reader looks again while others write.
const LOOKS: usize = 8;

impl Slot {
    #[inline]
    pub(super) fn write(&self, exemplar: Exemplar, value: f64, at_millis: u64) {
        let version = self.version.load(Ordering::Relaxed);
        if version % 2 == 1
            || self
                .version
                .compare_exchange(version, version + 1, Ordering::Acquire, Ordering::Relaxed)
                .is_err()
        {
            return;
        }
        // Each store releases the odd version before it.
        let [high, low] = halves(exemplar.trace_id.to_bytes());
        self.trace[0].store(high, Ordering::Release);
        self.trace[1].store(low, Ordering::Release);
        let span = u64::from_ne_bytes(exemplar.span_id.to_bytes());
        self.span.store(span, Ordering::Release);
        self.value.store(value.to_bits(), Ordering::Release);
        self.at.store(at_millis, Ordering::Release);
        self.version.store(version + 2, Ordering::Release);
    }

    pub(super) fn read(&self) -> Option<Held> {
        // Most slots of a page were never written.
        if self.version.load(Ordering::Relaxed) == 0 {
            return None;
        }
        (0..LOOKS).find_map(|_| self.look())
    }

    fn look(&self) -> Option<Held> {
        let version = self.version.load(Ordering::Acquire);
        if version == 0 || version % 2 == 1 {
            return None;
        }
        let high = self.trace[0].load(Ordering::Acquire);
        let low = self.trace[1].load(Ordering::Acquire);
        let span = self.span.load(Ordering::Acquire);
        let value = self.value.load(Ordering::Acquire);
        let at_millis = self.at.load(Ordering::Acquire);
        if self.version.load(Ordering::Relaxed) != version {
            return None;
        }
        let mut trace = [0; 16];
        trace[..8].copy_from_slice(&high.to_ne_bytes());
        trace[8..].copy_from_slice(&low.to_ne_bytes());
        Some(Held {
            exemplar: Exemplar {
                trace_id: TraceId::from_bytes(trace),
                span_id: SpanId::from_bytes(span.to_ne_bytes()),
            },
            value: f64::from_bits(value),
            at_millis,
        })
    }
}

/// The bytes of a trace's id, as they lie in memory.
fn halves(bytes: [u8; 16]) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
    [
        u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
        u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
    ]
}
