//! Metrics that were recorded with the `prometheus` crate, on the same page.

use prometheus::proto::{LabelPair, MetricFamily, MetricType};

use super::page::{Page, canonical, escape_quoted};

/// The text format's word for the kind of a family.
pub(super) fn kind(family: &MetricFamily) -> &'static str {
    match family.get_field_type() {
        MetricType::COUNTER => "counter",
        MetricType::GAUGE => "gauge",
        MetricType::HISTOGRAM => "histogram",
        MetricType::SUMMARY => "summary",
        MetricType::UNTYPED => "untyped",
    }
}

/// Writes a family of that crate. Its counters carry their `_total` in the name already.
pub(super) fn render(family: &MetricFamily, kind: &str, page: &mut Page) {
    let name = family.name();
    page.head(name, family.help(), kind);
    for metric in family.get_metric() {
        let labels = labels(metric.get_label());
        match family.get_field_type() {
            MetricType::HISTOGRAM => {
                let histogram = metric.get_histogram();
                for bucket in histogram.get_bucket() {
                    page.begin_line(name, "_bucket", &labels, Some(bucket.upper_bound()));
                    page.integer(bucket.cumulative_count());
                    page.end_of_line();
                }
                if histogram
                    .get_bucket()
                    .last()
                    .is_none_or(|last| last.upper_bound().is_finite())
                {
                    page.begin_line(name, "_bucket", &labels, Some(f64::INFINITY));
                    page.integer(histogram.get_sample_count());
                    page.end_of_line();
                }
                sum_and_count(
                    name,
                    &labels,
                    histogram.get_sample_sum(),
                    histogram.get_sample_count(),
                    page,
                );
            }
            MetricType::SUMMARY => {
                let summary = metric.get_summary();
                for quantile in summary.get_quantile() {
                    let comma = if labels.is_empty() { "" } else { "," };
                    page.begin_line(
                        name,
                        "",
                        &format!(
                            "{labels}{comma}quantile=\"{}\"",
                            canonical(quantile.quantile())
                        ),
                        None,
                    );
                    page.float(quantile.value());
                    page.end_of_line();
                }
                sum_and_count(
                    name,
                    &labels,
                    summary.sample_sum(),
                    summary.sample_count(),
                    page,
                );
            }
            other => {
                page.begin_line(name, "", &labels, None);
                page.float(if other == MetricType::COUNTER {
                    metric.get_counter().get_value()
                } else {
                    metric.get_gauge().get_value()
                });
                page.end_of_line();
            }
        }
    }
}

fn sum_and_count(name: &str, labels: &str, sum: f64, count: u64, page: &mut Page) {
    page.begin_line(name, "_sum", labels, None);
    page.float(sum);
    page.end_of_line();
    page.begin_line(name, "_count", labels, None);
    page.integer(count);
    page.end_of_line();
}

fn labels(pairs: &[LabelPair]) -> String {
    let mut text = String::new();
    for pair in pairs {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(pair.name());
        text.push_str("=\"");
        escape_quoted(pair.value(), &mut text);
        text.push('"');
    }
    text
}
