//! Metrics as they came over OTLP, kept as their latest state and given out as pages.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1 as otlp;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;

use super::naming;
use crate::schema::resource::SERVICE_INSTANCE_ID;
use crate::testing::captured::{attributes, hex, json, service};
use crate::testing::page::{Exemplar, Family, Page, Sample};
use crate::testing::{AttributeValue, CapturedPage, PageFormat};

type Labels = BTreeMap<String, String>;

/// The latest state of every metric, by who sent it.
#[derive(Debug, Clone, Default)]
pub(in crate::testing) struct Metrics(Vec<Sender>);

#[derive(Debug, Clone)]
struct Sender {
    service: String,
    instance: String,
    metrics: Vec<Metric>,
}

#[derive(Debug, Clone)]
struct Metric {
    name: String,
    kind: &'static str,
    unit: String,
    help: String,
    series: BTreeMap<Labels, Series>,
}

/// One set of labels.
#[derive(Debug, Clone, PartialEq)]
enum Series {
    Number(f64, Option<Exemplar>),
    Histogram(Histogram),
    /// The quantiles, the sum and the count.
    Summary(Vec<(f64, f64)>, f64, u64),
}

#[derive(Debug, Clone, PartialEq)]
struct Histogram {
    bounds: Vec<f64>,
    /// How many fell into each bucket alone, one more than there are bounds.
    counts: Vec<u64>,
    sum: Option<f64>,
    count: u64,
    exemplars: Vec<Exemplar>,
}

/// How many data points a metric has.
pub(super) fn points(metric: &otlp::Metric) -> usize {
    match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
        Some(Data::Summary(summary)) => summary.data_points.len(),
        None => 0,
    }
}

impl Metrics {
    pub(super) fn add(&mut self, request: &ExportMetricsServiceRequest) {
        for group in &request.resource_metrics {
            let resource = group
                .resource
                .as_ref()
                .map(|resource| attributes(&resource.attributes))
                .unwrap_or_default();
            let instance = match resource.get(SERVICE_INSTANCE_ID.name()) {
                Some(AttributeValue::String(id)) => id.clone(),
                _ => String::new(),
            };
            let sender = self.sender(service(&resource), instance);
            for metric in group.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
                sender.add(metric);
            }
        }
    }

    /// One page of each sender.
    pub(super) fn pages(&self) -> Vec<CapturedPage> {
        self.0
            .iter()
            .map(|sender| {
                let page = Page {
                    families: sender.metrics.iter().map(Metric::family).collect(),
                };
                CapturedPage {
                    service: Some(sender.service.clone()).filter(|name| !name.is_empty()),
                    source: "otlp".to_owned(),
                    format: PageFormat::Otlp,
                    page: Ok(page),
                }
            })
            .collect()
    }

    fn sender(&mut self, service: String, instance: String) -> &mut Sender {
        let known = |sender: &Sender| sender.service == service && sender.instance == instance;
        let at = self.0.iter().position(known).unwrap_or_else(|| {
            self.0.push(Sender {
                service,
                instance,
                metrics: Vec::new(),
            });
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}

impl Sender {
    fn add(&mut self, metric: &otlp::Metric) {
        let Some(data) = &metric.data else { return };
        match data {
            Data::Gauge(gauge) => {
                let kept = self.metric(metric, "gauge");
                for point in &gauge.data_points {
                    kept.number(point, false);
                }
            }
            Data::Sum(sum) => {
                let kind = if sum.is_monotonic { "counter" } else { "gauge" };
                let kept = self.metric(metric, kind);
                for point in &sum.data_points {
                    kept.number(point, is_delta(sum.aggregation_temporality));
                }
            }
            Data::Histogram(histogram) => {
                let delta = is_delta(histogram.aggregation_temporality);
                let kept = self.metric(metric, "histogram");
                for point in &histogram.data_points {
                    let series = Histogram {
                        bounds: point.explicit_bounds.clone(),
                        counts: point.bucket_counts.clone(),
                        sum: point.sum,
                        count: point.count,
                        exemplars: point.exemplars.iter().map(exemplar).collect(),
                    };
                    kept.histogram(&point.attributes, point.flags, series, delta);
                }
            }
            // Its buckets have no bounds that a page could name: all fall into the last.
            Data::ExponentialHistogram(histogram) => {
                let delta = is_delta(histogram.aggregation_temporality);
                let kept = self.metric(metric, "histogram");
                for point in &histogram.data_points {
                    let series = Histogram {
                        bounds: Vec::new(),
                        counts: vec![point.count],
                        sum: point.sum,
                        count: point.count,
                        exemplars: point.exemplars.iter().map(exemplar).collect(),
                    };
                    kept.histogram(&point.attributes, point.flags, series, delta);
                }
            }
            Data::Summary(summary) => {
                let kept = self.metric(metric, "summary");
                for point in &summary.data_points {
                    let quantiles = point.quantile_values.iter();
                    let quantiles = quantiles.map(|at| (at.quantile, at.value)).collect();
                    let series = Series::Summary(quantiles, point.sum, point.count);
                    kept.set(labels(&point.attributes), point.flags, series);
                }
            }
        }
    }

    /// The metric as it is kept; one that has become another kind begins anew.
    fn metric(&mut self, metric: &otlp::Metric, kind: &'static str) -> &mut Metric {
        let name = naming::metric(
            &metric.name,
            &metric.unit,
            kind == "gauge",
            kind == "counter",
        );
        let known = self.metrics.iter().position(|known| known.name == name);
        let at = known.unwrap_or_else(|| {
            self.metrics.push(Metric {
                name,
                kind,
                unit: String::new(),
                help: String::new(),
                series: BTreeMap::new(),
            });
            self.metrics.len() - 1
        });
        let kept = &mut self.metrics[at];
        if kept.kind != kind {
            kept.kind = kind;
            kept.series.clear();
        }
        kept.unit.clone_from(&metric.unit);
        kept.help.clone_from(&metric.description);
        kept
    }
}

impl Metric {
    fn number(&mut self, point: &otlp::NumberDataPoint, delta: bool) {
        let labels = labels(&point.attributes);
        let mut value = match point.value {
            Some(otlp::number_data_point::Value::AsDouble(value)) => value,
            Some(otlp::number_data_point::Value::AsInt(value)) => value as f64,
            None => return,
        };
        if let (true, Some(Series::Number(before, _))) = (delta, self.series.get(&labels)) {
            value += before;
        }
        let exemplar = point.exemplars.last().map(exemplar);
        self.set(labels, point.flags, Series::Number(value, exemplar));
    }

    fn histogram(&mut self, attributes: &[KeyValue], flags: u32, mut new: Histogram, delta: bool) {
        let labels = labels(attributes);
        if let (true, Some(Series::Histogram(before))) = (delta, self.series.get(&labels))
            && before.bounds == new.bounds
        {
            for (count, before) in new.counts.iter_mut().zip(&before.counts) {
                *count += before;
            }
            new.count += before.count;
            new.sum = new.sum.zip(before.sum).map(|(new, before)| new + before);
        }
        self.set(labels, flags, Series::Histogram(new));
    }

    /// A point without a recorded value says that the series has ended.
    fn set(&mut self, labels: Labels, flags: u32, series: Series) {
        if flags & otlp::DataPointFlags::NoRecordedValueMask as u32 == 0 {
            self.series.insert(labels, series);
        } else {
            self.series.remove(&labels);
        }
    }

    fn family(&self) -> Family {
        let mut family = Family {
            name: self.name.clone(),
            kind: self.kind.to_owned(),
            help: self.help.clone(),
            unit: self.unit.clone(),
            samples: Vec::new(),
        };
        for (labels, series) in &self.series {
            match series {
                Series::Number(value, exemplar) => family.samples.push(Sample {
                    exemplar: exemplar.clone(),
                    ..sample(self.name.clone(), labels, *value)
                }),
                Series::Histogram(histogram) => {
                    histogram.samples(&self.name, labels, &mut family.samples);
                }
                Series::Summary(quantiles, sum, count) => {
                    for (quantile, value) in quantiles {
                        let mut labels = labels.clone();
                        labels.insert("quantile".to_owned(), number(*quantile));
                        family
                            .samples
                            .push(sample(self.name.clone(), &labels, *value));
                    }
                    sum_and_count(&self.name, labels, Some(*sum), *count, &mut family.samples);
                }
            }
        }
        family
    }
}

impl Histogram {
    /// The buckets, each with all below it, the sum and the count.
    fn samples(&self, name: &str, labels: &Labels, samples: &mut Vec<Sample>) {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let mut below = f64::NEG_INFINITY;
        let mut so_far = 0;
        for (index, bound) in bounds.enumerate() {
            so_far += self.counts.get(index).copied().unwrap_or(0);
            // Buckets may be left out where only the count is of interest.
            let value = if bound.is_infinite() {
                self.count
            } else {
                so_far
            };
            let mut labels = labels.clone();
            labels.insert("le".to_owned(), number(bound));
            let within = |exemplar: &&Exemplar| exemplar.value > below && exemplar.value <= bound;
            samples.push(Sample {
                exemplar: self.exemplars.iter().rev().find(within).cloned(),
                ..sample(format!("{name}_bucket"), &labels, value as f64)
            });
            below = bound;
        }
        sum_and_count(name, labels, self.sum, self.count, samples);
    }
}

fn sum_and_count(
    name: &str,
    labels: &Labels,
    sum: Option<f64>,
    count: u64,
    samples: &mut Vec<Sample>,
) {
    samples.extend(sum.map(|sum| sample(format!("{name}_sum"), labels, sum)));
    samples.push(sample(format!("{name}_count"), labels, count as f64));
}

fn sample(name: String, labels: &Labels, value: f64) -> Sample {
    Sample {
        name,
        labels: labels.clone(),
        value,
        exemplar: None,
    }
}

/// A number as a page has it in a label.
fn number(value: f64) -> String {
    if value == f64::INFINITY {
        "+Inf".to_owned()
    } else {
        value.to_string()
    }
}

fn is_delta(temporality: i32) -> bool {
    temporality == otlp::AggregationTemporality::Delta as i32
}

fn labels(pairs: &[KeyValue]) -> Labels {
    attributes(pairs)
        .into_iter()
        .map(|(name, value)| {
            let value = match value {
                AttributeValue::String(text) => text,
                other => json(&other).to_string(),
            };
            (naming::label(&name), value)
        })
        .collect()
}

fn exemplar(exemplar: &otlp::Exemplar) -> Exemplar {
    let mut labels = labels(&exemplar.filtered_attributes);
    for (name, id) in [
        ("trace_id", &exemplar.trace_id),
        ("span_id", &exemplar.span_id),
    ] {
        if !id.is_empty() {
            labels.insert(name.to_owned(), hex(id));
        }
    }
    Exemplar {
        labels,
        value: match exemplar.value {
            Some(otlp::exemplar::Value::AsDouble(value)) => value,
            Some(otlp::exemplar::Value::AsInt(value)) => value as f64,
            None => 0.0,
        },
        timestamp: Some(exemplar.time_unix_nano as f64 / 1e9),
    }
}
