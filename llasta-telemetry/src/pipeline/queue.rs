//! The queue between those who record and the thread that exports.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::worker;
use crate::error::Error;
use crate::span::SpanSink;
use crate::telemetry::{Exporting, Report};

/// How much waits, and for how long: the names and defaults of OpenTelemetry's batch processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Spans that can wait (`OTEL_BSP_MAX_QUEUE_SIZE`).
    pub capacity: usize,
    /// Spans sent at once (`OTEL_BSP_MAX_EXPORT_BATCH_SIZE`).
    pub batch: usize,
    /// How long a span waits at most before it is sent (`OTEL_BSP_SCHEDULE_DELAY`).
    pub delay: Duration,
    /// How long one export may take (`OTEL_BSP_EXPORT_TIMEOUT`).
    pub timeout: Duration,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            capacity: 2048,
            batch: 512,
            delay: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
        }
    }
}

/// Nobody waits longer, and a point in time that far ahead still exists.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// What the exporting thread is asked to do.
pub(super) struct Command {
    pub(super) stop: bool,
    pub(super) until: Instant,
    pub(super) done: Sender<()>,
}

/// Spans that wait for their export.
pub(crate) struct Queue {
    pub(super) spans: ArrayQueue<SpanData>,
    pub(super) limits: QueueLimits,
    pub(super) commands: Mutex<Vec<Command>>,
    pub(super) exported: AtomicU64,
    pub(super) failed: AtomicU64,
    /// Spans that found room: each of them is exported, failed or on its way.
    accepted: AtomicU64,
    dropped: AtomicU64,
    closed: AtomicBool,
    /// How many were exported when it was shut down: all others that were accepted have failed.
    last: OnceLock<u64>,
    /// Whether the thread was told that a batch is full.
    pub(super) woken: AtomicBool,
    thread: OnceLock<Thread>,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("waiting", &self.spans.len())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Queue {
    /// Starts the thread. `exporter` is called on it, inside its runtime.
    pub(crate) fn start<E: SpanExporter + 'static>(
        limits: QueueLimits,
        exporter: impl FnOnce() -> Result<E, Error> + Send + 'static,
    ) -> Result<Arc<Self>, Error> {
        let queue = Arc::new(Self {
            spans: ArrayQueue::new(limits.capacity.max(1)),
            limits,
            commands: Mutex::default(),
            exported: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            last: OnceLock::new(),
            woken: AtomicBool::new(false),
            thread: OnceLock::new(),
        });
        let thread = worker::spawn(queue.clone(), exporter)?;
        let _ = queue.thread.set(thread);
        Ok(queue)
    }

    /// Spans by what became of them, and how many wait.
    pub(crate) fn counts(&self) -> (Report, usize) {
        let dropped = self.dropped.load(Relaxed);
        let report = match self.last.get() {
            Some(&exported) => Report {
                exported,
                dropped,
                failed: self.accepted.load(Relaxed).saturating_sub(exported),
            },
            None => Report {
                exported: self.exported.load(Relaxed),
                dropped,
                failed: self.failed.load(Relaxed),
            },
        };
        (report, self.spans.len())
    }

    pub(crate) fn capacity(&self) -> usize {
        self.spans.capacity()
    }

    fn ask(&self, stop: bool, deadline: Duration) -> Report {
        let (done, wait) = channel();
        let command = Command {
            stop,
            until: Instant::now() + deadline.min(LONGEST_WAIT),
            done,
        };
        self.commands
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(command);
        self.wake();
        // Whether it answered or the deadline passed: the counters say what happened.
        let _ = wait.recv_timeout(deadline);
        if stop {
            let _ = self.last.set(self.exported.load(Relaxed));
        }
        self.counts().0
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

impl SpanSink for Queue {
    fn on_end(&self, span: SpanData) {
        if self.closed.load(Relaxed) || self.spans.push(span).is_err() {
            self.dropped.fetch_add(1, Relaxed);
            return;
        }
        self.accepted.fetch_add(1, Relaxed);
        if self.spans.len() >= self.limits.batch && !self.woken.swap(true, Relaxed) {
            self.wake();
        }
    }
}

impl Exporting for Queue {
    fn flush(&self, deadline: Duration) -> Report {
        if self.closed.load(Relaxed) {
            self.counts().0
        } else {
            self.ask(false, deadline)
        }
    }

    fn shutdown(&self, deadline: Duration) -> Report {
        if self.closed.swap(true, Relaxed) {
            self.counts().0
        } else {
            self.ask(true, deadline)
        }
    }
}
