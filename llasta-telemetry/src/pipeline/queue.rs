//! The queue between those who record and the thread that exports.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use opentelemetry::Context;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};

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
    /// Spans that the thread has taken out and not yet counted.
    pub(super) under_way: AtomicU64,
    dropped: AtomicU64,
    closed: AtomicBool,
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
            under_way: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            woken: AtomicBool::new(false),
            thread: OnceLock::new(),
        });
        let thread = worker::spawn(queue.clone(), exporter)?;
        let _ = queue.thread.set(thread);
        Ok(queue)
    }

    /// Spans by what became of them, and how many wait.
    pub(crate) fn counts(&self) -> (Report, usize) {
        let report = Report {
            exported: self.exported.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            failed: self.failed.load(Relaxed),
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
            until: Instant::now() + deadline,
            done,
        };
        self.commands
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(command);
        self.wake();
        // Whether it answered or the deadline passed: the counters say what happened.
        let _ = wait.recv_timeout(deadline);
        let (mut report, waiting) = self.counts();
        if stop {
            report.failed += waiting as u64 + self.under_way.load(Relaxed);
        }
        report
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

/// Brings spans that pass through the SDK, such as those of `tracing`, into the same queue.
#[derive(Debug)]
pub(crate) struct Processor(pub(crate) Arc<Queue>);

impl SpanProcessor for Processor {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        match self.0.flush(self.0.limits.timeout) {
            report if report.failed == 0 => Ok(()),
            report => Err(OTelSdkError::InternalFailure(report.to_string())),
        }
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown(timeout);
        Ok(())
    }
}
