//! Counters.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use super::exemplar::{Exemplar, Slot, millis};
use super::family::Instrument;
use super::lines::Lines;
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
        // The clock is only read for an exemplar.
        let at_millis = exemplar.map_or(0, |_| millis(SystemTime::now()));
        self.add_at(n, exemplar, at_millis);
    }

    /// The same, for those who know the time already: milliseconds since 1970.
    #[inline]
    pub(crate) fn add_at(&self, n: u64, exemplar: Option<Exemplar>, at_millis: u64) {
        self.value.fetch_add(n, Relaxed);
        if let Some(exemplar) = exemplar {
            self.exemplar.write(exemplar, n as f64, at_millis);
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

    fn lines(_: &'static MetricDef, name: &str, labels: &str) -> Lines {
        Lines::single(name, labels)
    }

    fn render(&self, lines: &Lines, page: &mut Page) {
        for line in lines.iter() {
            page.raw(line);
            page.integer(self.value());
            page.exemplar(&self.exemplar);
            page.end_of_line();
        }
    }
}
