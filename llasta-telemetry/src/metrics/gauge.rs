//! Gauges: of integers, and of floats.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use super::family::Instrument;
use super::lines::Lines;
use super::page::Page;
use crate::schema::{Instrument as Kind, MetricDef};

/// An integer that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Says what it is now.
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// Adds `n`, which may be negative.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// What it is now.
    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

impl Instrument for Gauge {
    const KIND: Kind = Kind::Gauge;

    fn new(_: &'static MetricDef) -> Self {
        Self::default()
    }

    fn lines(_: &'static MetricDef, name: &str, labels: &str) -> Lines {
        Lines::single(name, labels)
    }

    fn render(&self, lines: &Lines, page: &mut Page) {
        for line in lines.iter() {
            page.raw(line);
            page.signed(self.value());
            page.end_of_line();
        }
    }
}

/// A float that goes up and down.
#[derive(Debug, Default)]
pub struct FloatGauge(AtomicU64);

impl FloatGauge {
    /// Says what it is now.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    /// What it is now.
    pub fn value(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }
}

impl Instrument for FloatGauge {
    const KIND: Kind = Kind::Gauge;

    fn new(_: &'static MetricDef) -> Self {
        Self::default()
    }

    fn lines(_: &'static MetricDef, name: &str, labels: &str) -> Lines {
        Lines::single(name, labels)
    }

    fn render(&self, lines: &Lines, page: &mut Page) {
        for line in lines.iter() {
            page.raw(line);
            page.float(self.value());
            page.end_of_line();
        }
    }
}
