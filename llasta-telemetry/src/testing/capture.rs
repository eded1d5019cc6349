//! A sink that keeps what it gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;

use super::CapturedSpan;
use super::store::Store;
use crate::span::SpanSink;
use crate::telemetry::{Exporting, Report};

/// Keeps every span that ends. Cheap to clone: clones are the same.
#[derive(Debug, Clone)]
pub struct Capture(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    resource: Resource,
    store: Store<Vec<CapturedSpan>>,
    exported: AtomicU64,
    dropped: AtomicU64,
    closed: AtomicBool,
}

impl Capture {
    /// Nothing yet. `resource` is what the spans are captured with.
    pub fn new(resource: Resource) -> Self {
        Self(Arc::new(Inner {
            resource,
            store: Store::default(),
            exported: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }))
    }

    /// The spans so far, in the order they ended.
    pub fn spans(&self) -> Vec<CapturedSpan> {
        self.0.store.look(Vec::clone)
    }

    /// The same, and forgets them.
    pub fn take_spans(&self) -> Vec<CapturedSpan> {
        self.0.store.change(std::mem::take)
    }

    /// The spans, as soon as `enough` says so or when the deadline has passed: for spans that end
    /// on their own time, such as those of a streamed body.
    pub async fn wait_until(
        &self,
        mut enough: impl FnMut(&[CapturedSpan]) -> bool,
        deadline: Duration,
    ) -> Vec<CapturedSpan> {
        let store = &self.0.store;
        store.wait_until(|spans| enough(spans), deadline).await;
        self.spans()
    }

    fn report(&self) -> Report {
        Report {
            exported: self.0.exported.load(Ordering::SeqCst),
            dropped: self.0.dropped.load(Ordering::SeqCst),
            failed: 0,
        }
    }
}

impl SpanSink for Capture {
    fn on_end(&self, span: SpanData) {
        if self.0.closed.load(Ordering::SeqCst) {
            self.0.dropped.fetch_add(1, Ordering::SeqCst);
            return;
        }
        self.0.exported.fetch_add(1, Ordering::SeqCst);
        let span = CapturedSpan::from_data(&span, &self.0.resource);
        self.0.store.change(|spans| spans.push(span));
    }
}

impl Exporting for Capture {
    fn flush(&self, _: Duration) -> Report {
        self.report()
    }

    fn shutdown(&self, _: Duration) -> Report {
        self.0.closed.store(true, Ordering::SeqCst);
        self.report()
    }
}
