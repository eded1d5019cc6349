//! Numbers of a page that say the same thing.

use std::collections::BTreeMap;

use super::finding::{FindingId, Findings, Signal};
use crate::schema::labels::Outcome;
use crate::schema::{Instrument, LabelDef, LabelSet, LabelValues, MetricDef};
use crate::testing::page::{Family, Page};

/// Whether a metric counts requests by the way they ended.
pub(super) fn counts_requests(def: &MetricDef) -> bool {
    def.instrument == Instrument::Counter && def.labels.iter().any(is_outcome)
}

fn is_outcome(label: &LabelDef) -> bool {
    matches!(label.values, LabelValues::Closed(values) if values == Outcome::VALUES)
}

/// Every request ends in one way, counted once, and lasts for some time: so many durations as
/// requests, for each endpoint where none is under way.
pub(super) fn requests(page: &Page, defs: &[&'static MetricDef], findings: &mut Findings) {
    for counter in defs.iter().filter(|def| counts_requests(def)) {
        let Some(base) = counter.name.strip_suffix("s_total") else {
            continue;
        };
        let Some(endpoint) = counter.labels.iter().find(|label| !is_outcome(label)) else {
            continue;
        };
        let of_them = |def: &&&MetricDef| {
            let same = |label: &LabelDef| label.name == endpoint.name;
            def.name
                .strip_prefix(base)
                .is_some_and(|rest| rest.starts_with(['_', 's']))
                && def.labels.len() == 1
                && def.labels.iter().any(same)
        };
        let of_kind = |kind| {
            let one = defs
                .iter()
                .filter(of_them)
                .find(|def| def.instrument == kind);
            one.map(|def| (def.name, page.family(def.name)))
        };
        let (Some((name, Some(durations))), Some(requests)) =
            (of_kind(Instrument::Histogram), page.family(counter.name))
        else {
            continue;
        };
        let under_way = of_kind(Instrument::Gauge).and_then(|(_, family)| family);
        let under_way = under_way
            .map(|family| sum(family, "", endpoint.name))
            .unwrap_or_default();
        let lasted = sum(durations, "_count", endpoint.name);
        for (at, ended) in sum(requests, "", endpoint.name) {
            let lasted = lasted.get(at).copied().unwrap_or(0.0);
            if under_way.get(at).is_none_or(|open| *open == 0.0) && lasted != ended {
                wrong(
                    counter.name,
                    format!("counts {ended} requests of {at:?}, and `{name}` {lasted}"),
                    "count each request once, at its end, with its duration",
                    findings,
                );
            }
        }
    }
}

/// The values of the lines with this suffix, added up for each value of a label.
fn sum<'a>(family: &'a Family, suffix: &str, label: &str) -> BTreeMap<&'a str, f64> {
    let name = format!("{}{suffix}", family.name);
    let mut sums = BTreeMap::new();
    for line in family.samples.iter().filter(|line| line.name == name) {
        if let Some(value) = line.labels.get(label) {
            *sums.entry(value.as_str()).or_insert(0.0) += line.value;
        }
    }
    sums
}

/// Buckets rise up to the count.
pub(super) fn histogram(family: &Family, findings: &mut Findings) {
    let mut series: BTreeMap<_, (f64, f64)> = BTreeMap::new();
    for line in &family.samples {
        let mut labels = line.labels.clone();
        let bucket = labels.remove("le").is_some() && line.name.ends_with("_bucket");
        let (highest, count) = series.entry(labels).or_default();
        if bucket && line.value < *highest {
            wrong(
                &family.name,
                format!("has a bucket of {} above one of {highest}", line.value),
                "count in each bucket what is in those below it too",
                findings,
            );
        }
        if bucket {
            *highest = line.value;
        } else if line.name.ends_with("_count") {
            *count = line.value;
        }
    }
    if let Some((highest, count)) = series.values().find(|(highest, count)| highest != count) {
        wrong(
            &family.name,
            format!("has {highest} in all buckets together, and the count {count}"),
            "the last bucket, +Inf, is the count",
            findings,
        );
    }
}

fn wrong(name: &str, message: String, advice: &str, findings: &mut Findings) {
    findings.violation(FindingId::WrongSum, Signal::Metric, name, message, advice);
}
