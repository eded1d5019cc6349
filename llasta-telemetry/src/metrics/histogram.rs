//! Histograms.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use super::exemplar::{Exemplar, Slot, millis};
use super::family::Instrument;
use super::lines::Lines;
use super::page::Page;
use crate::schema::{Instrument as Kind, MetricDef};

/// A distribution in buckets, with one exemplar for each.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One more than `bounds`: the last is everything above.
    buckets: Box<[Bucket]>,
    /// The bits of an f64.
    sum: AtomicU64,
}

#[derive(Debug, Default)]
struct Bucket {
    count: AtomicU64,
    exemplar: Slot,
}

impl Histogram {
    /// Records one value. The current span becomes the bucket's exemplar, when it is sampled.
    pub fn observe(&self, value: f64) {
        self.observe_with(value, Exemplar::current());
    }

    /// Records one value with the given exemplar, for those who know the span already.
    /// What is no number is left out.
    pub fn observe_with(&self, value: f64, exemplar: Option<Exemplar>) {
        // The clock is only read for an exemplar.
        let at_millis = exemplar.map_or(0, |_| millis(SystemTime::now()));
        self.observe_at(value, exemplar, at_millis);
    }

    /// The same, for those who know the time already: milliseconds since 1970.
    #[inline]
    pub(crate) fn observe_at(&self, value: f64, exemplar: Option<Exemplar>, at_millis: u64) {
        if value.is_nan() {
            return;
        }
        let bucket = &self.buckets[self.bounds.partition_point(|bound| *bound < value)];
        bucket.count.fetch_add(1, Relaxed);
        let mut sum = self.sum.load(Relaxed);
        while let Err(now) = self.sum.compare_exchange_weak(
            sum,
            (f64::from_bits(sum) + value).to_bits(),
            Relaxed,
            Relaxed,
        ) {
            sum = now;
        }
        if let Some(exemplar) = exemplar {
            bucket.exemplar.write(exemplar, value, at_millis);
        }
    }

    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        self.buckets
            .iter()
            .map(|bucket| bucket.count.load(Relaxed))
            .sum()
    }

    /// Their sum.
    pub fn sum(&self) -> f64 {
        f64::from_bits(self.sum.load(Relaxed))
    }
}

impl Instrument for Histogram {
    const KIND: Kind = Kind::Histogram;

    fn new(def: &'static MetricDef) -> Self {
        Self {
            bounds: def.buckets,
            buckets: std::iter::repeat_with(Bucket::default)
                .take(def.buckets.len() + 1)
                .collect(),
            sum: AtomicU64::new(0f64.to_bits()),
        }
    }

    fn lines(def: &'static MetricDef, name: &str, labels: &str) -> Lines {
        Lines::histogram(name, labels, def.buckets)
    }

    fn render(&self, lines: &Lines, page: &mut Page) {
        let mut lines = lines.iter();
        let mut so_far = 0;
        let mut buffer = itoa::Buffer::new();
        let mut digits = buffer.format(so_far);
        for (bucket, line) in self.buckets.iter().zip(&mut lines) {
            let count = bucket.count.load(Relaxed);
            if count > 0 {
                so_far += count;
                digits = buffer.format(so_far);
            }
            page.raw(line);
            page.raw(digits);
            page.exemplar(&bucket.exemplar);
            page.end_of_line();
        }
        // A sum that may fall is no counter, and OpenMetrics wants both or none.
        if page.is_open() && self.bounds.first().is_some_and(|bound| *bound < 0.0) {
            return;
        }
        if let Some(line) = lines.next() {
            page.raw(line);
            page.float(self.sum());
            page.end_of_line();
        }
        if let Some(line) = lines.next() {
            page.raw(line);
            // The same total as the last bucket, even while others record.
            page.raw(digits);
            page.end_of_line();
        }
    }
}
