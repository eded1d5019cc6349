//! What is expected of a metric.

use crate::testing::page::Sample;
use crate::testing::{CapturedPage, CapturedSpan};

/// The series of a metric that bear the given labels. There is always at least one.
#[derive(Debug, Clone)]
pub struct ExpectedMetric {
    series: String,
    samples: Vec<Sample>,
    /// The traces that its exemplars lead to.
    traces: Vec<String>,
}

impl ExpectedMetric {
    #[track_caller]
    pub(super) fn new(pages: &[CapturedPage], series: &str) -> Self {
        let (mut samples, mut traces): (Vec<Sample>, Vec<String>) = Default::default();
        let mut names = Vec::new();
        for page in pages {
            let read = match &page.page {
                Ok(read) => read,
                Err(error) => panic!("{} could not be read: {error}", page.source),
            };
            // A histogram's name stands for its count.
            let (name, labels) = series.split_at(series.find('{').unwrap_or(series.len()));
            let mut found = read.select(series);
            if found.is_empty() {
                found = read.select(&format!("{name}_count{labels}"));
            }
            let buckets = read.select(&format!("{name}_bucket{labels}"));
            let exemplars = found.iter().chain(&buckets);
            traces.extend(exemplars.filter_map(|sample| {
                let exemplar = sample.exemplar.as_ref()?;
                exemplar.labels.get("trace_id").cloned()
            }));
            samples.extend(found.into_iter().cloned());
            names.extend(read.families.iter().map(|family| family.name.as_str()));
        }
        assert!(
            !samples.is_empty(),
            "expected the metric `{series}`, but it has no such series; there are {names:?}"
        );
        Self {
            series: series.to_owned(),
            samples,
            traces,
        }
    }

    /// Its value, of all its series together; that of a histogram is the count of its values.
    pub fn value(&self) -> f64 {
        self.samples.iter().map(|sample| sample.value).sum()
    }

    /// It has this value.
    ///
    /// # Panics
    ///
    /// When it has another.
    #[track_caller]
    pub fn to_be(self, value: f64) -> Self {
        let is = self.value();
        assert!(
            is == value,
            "expected `{}` to be {value}, but it is {is}",
            self.series
        );
        self
    }

    /// It has this value or more.
    ///
    /// # Panics
    ///
    /// When it has less.
    #[track_caller]
    pub fn to_be_at_least(self, value: f64) -> Self {
        let is = self.value();
        assert!(
            is >= value,
            "expected `{}` to be at least {value}, but it is {is}",
            self.series
        );
        self
    }

    /// One of its series has an exemplar that leads to the trace of this span.
    ///
    /// # Panics
    ///
    /// When none has. Exemplars stand on OpenMetrics pages only.
    #[track_caller]
    pub fn with_exemplar_of(self, span: &CapturedSpan) -> Self {
        assert!(
            self.traces.contains(&span.trace_id),
            "expected `{}` with an exemplar of the trace {}, but its exemplars are of {:?}",
            self.series,
            span.trace_id,
            self.traces
        );
        self
    }
}
