//! Counters.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::exemplar::{Exemplar, Slot};
use super::family::Instrument;
use super::page::Page;
use crate::schema::{Instrument as Kind, MetricDef};

/// A number that only goes up.
#[derive(Debug, Default)]
pub struct Counter {
    value: AtomicU64,
    exemplar: Slot,
}

impl Counter {
    /// Adds one. The current span becomes the exemplar, when it is sampled.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`. The current span becomes the exemplar, when it is sampled.
    pub fn add(&self, n: u64) {
        self.add_with(n, Exemplar::current());
    }

    /// Adds `n` with the given exemplar, for those who know the span already.
    pub fn add_with(&self, n: u64, exemplar: Option<Exemplar>) {
        self.value.fetch_add(n, Relaxed);
        if let Some(exemplar) = exemplar {
            self.exemplar.write(exemplar, n as f64);
        }
    }

    /// The number so far.
    pub fn value(&self) -> u64 {
        self.value.load(Relaxed)
    }

    /// Takes over a count that is kept elsewhere.
    pub(crate) fn store(&self, value: u64) {
        self.value.store(value, Relaxed);
    }
}

impl Instrument for Counter {
    const KIND: Kind = Kind::Counter;

    fn new(_: &'static MetricDef) -> Self {
        Self::default()
    }

    fn render(&self, def: &'static MetricDef, labels: &str, page: &mut Page) {
        page.name(def.name, "");
        page.labels(labels, None);
        page.integer(self.value());
        page.exemplar(&self.exemplar);
        page.end_of_line();
    }
}
