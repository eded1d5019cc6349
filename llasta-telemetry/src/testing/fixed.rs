//! Ids and a clock that are the same in every run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::IdGenerator;

use crate::span::Clock;

/// Where the clock stands at first: 2026-01-01T00:00:00Z.
const START: Duration = Duration::from_secs(1_767_225_600);

/// A clock that stands still until it is told to go on.
#[derive(Debug, Default)]
pub struct StillClock {
    /// Nanoseconds since [`START`].
    passed: AtomicU64,
    /// Nanoseconds that pass with each look at the clock.
    step: AtomicU64,
}

impl StillClock {
    /// A clock at 2026-01-01T00:00:00Z.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.passed.fetch_add(nanos(by), Ordering::SeqCst);
    }

    /// Lets this much time pass after each look at the clock: spans get durations.
    pub fn step(&self, by: Duration) {
        self.step.store(nanos(by), Ordering::SeqCst);
    }
}

impl Clock for StillClock {
    fn now(&self) -> SystemTime {
        let step = self.step.load(Ordering::SeqCst);
        let passed = self.passed.fetch_add(step, Ordering::SeqCst);
        SystemTime::UNIX_EPOCH + START + Duration::from_nanos(passed)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Ids that count upwards, in a range of each service's own: a trace through several recorders
/// has no id twice.
#[derive(Debug)]
pub struct FixedIds {
    service: u32,
    traces: AtomicU64,
    spans: AtomicU64,
}

impl FixedIds {
    /// The ids of this service.
    pub fn new(service: &str) -> Self {
        // FNV-1a: the same in every run and on every machine.
        let hash = service.bytes().fold(0x811c_9dc5u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        Self {
            service: hash,
            traces: AtomicU64::new(1),
            spans: AtomicU64::new(1),
        }
    }
}

impl IdGenerator for FixedIds {
    fn new_trace_id(&self) -> TraceId {
        let count = self.traces.fetch_add(1, Ordering::SeqCst);
        TraceId::from(u128::from(self.service) << 96 | u128::from(count))
    }

    fn new_span_id(&self) -> SpanId {
        let count = self.spans.fetch_add(1, Ordering::SeqCst);
        SpanId::from(u64::from(self.service) << 32 | count & 0xffff_ffff)
    }
}
