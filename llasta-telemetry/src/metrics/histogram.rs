//! Histograms.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::exemplar::{Exemplar, Slot};
use super::family::Instrument;
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
            bucket.exemplar.write(exemplar, value);
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

    fn render(&self, def: &'static MetricDef, labels: &str, page: &mut Page) {
        let mut so_far = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            so_far += bucket.count.load(Relaxed);
            page.name(def.name, "_bucket");
            page.labels(
                labels,
                Some(self.bounds.get(index).copied().unwrap_or(f64::INFINITY)),
            );
            page.integer(so_far);
            page.exemplar(&bucket.exemplar);
            page.end_of_line();
        }
        page.name(def.name, "_sum");
        page.labels(labels, None);
        page.float(self.sum());
        page.end_of_line();
        page.name(def.name, "_count");
        page.labels(labels, None);
        // The same total as the last bucket, even while others record.
        page.integer(so_far);
        page.end_of_line();
    }
}
