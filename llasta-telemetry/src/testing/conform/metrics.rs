//! A metrics page, compared with the declared instruments.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Finding, FindingId, Findings, Signal};
use super::old;
use crate::schema::{Instrument, LabelDef, LabelValues, MetricDef, Schema};
use crate::testing::page::{Family, Page, Sample, Unreadable};

type Labels = BTreeMap<String, String>;

/// Compares a metrics page, in either format, with the metrics of these names: each is there, of
/// its declared type, with exactly its declared labels, with every series of its closed label
/// sets and no value outside of them, and with its declared buckets. A name that ends in `*`
/// asks for any metric that begins so.
///
/// A metric whose labels are texts may have no series yet. Metrics that are in a namespace of the
/// schema's but not declared are reported too.
pub fn metrics(schema: &Schema, page: &str, names: &[&str]) -> Vec<Finding> {
    let mut findings = Findings::default();
    match Page::parse(page) {
        Err(error) => unreadable(&error, &mut findings),
        Ok(page) => {
            for name in names {
                named(schema, &page, name, &mut findings);
            }
            undeclared(schema, &page, &[], &mut findings);
        }
    }
    findings.into_vec()
}

pub(super) fn unreadable(error: &Unreadable, findings: &mut Findings) {
    findings.violation(
        FindingId::Unreadable,
        Signal::Metric,
        "page",
        error.to_string(),
        "write Prometheus' text format or OpenMetrics",
    );
}

fn named(schema: &Schema, page: &Page, name: &str, findings: &mut Findings) {
    if let Some(prefix) = name.strip_suffix('*') {
        let begins = |family: &Family| family.name.starts_with(prefix);
        if !page.families.iter().any(begins) {
            missing(name, "nothing on the page begins so", findings);
        }
        return;
    }
    match schema.metric(name) {
        None => missing(name, "the schema does not declare it", findings),
        Some(def) => declared(def, page, findings),
    }
}

/// The metric is on the page, as it is declared.
pub(super) fn declared(def: &MetricDef, page: &Page, findings: &mut Findings) {
    let old = def.was.and_then(|was| page.family(was.name));
    match (page.family(def.name), old) {
        (Some(family), _) => compare(def, family, findings),
        (None, Some(family)) => {
            old::alone(Signal::Metric, def.name, &family.name, def.name, findings);
            // OpenMetrics has no counters without the suffix that the old name may lack.
            if family.kind != "unknown" {
                compare(def, family, findings);
            }
        }
        (None, None) if def.deprecated.is_some() => {}
        (None, None) => match page.family(&format!("{}_total", def.name)) {
            // OpenMetrics gives that suffix to whatever says that it is a counter.
            Some(family) => instrument(def, family, findings),
            None => missing(def.name, &elsewhere(page, def.name), findings),
        },
    }
}

pub(super) fn missing(name: &str, why: &str, findings: &mut Findings) {
    report(
        FindingId::MissingMetric,
        name,
        why,
        "register it at the start",
        findings,
    );
}

/// A counter that lacks its suffix, or what else it could be.
fn elsewhere(page: &Page, name: &str) -> String {
    let bare = name.strip_suffix("_total").unwrap_or(name);
    match page.family(bare) {
        Some(_) if bare != name => {
            format!("is not on the page, `{bare}` is: a counter's name ends in `_total`")
        }
        _ => "is not on the page".to_owned(),
    }
}

/// The metric is there, of another type.
fn instrument(def: &MetricDef, family: &Family, findings: &mut Findings) {
    let is = if family.kind.is_empty() {
        "has no TYPE line".to_owned()
    } else {
        format!("is a {}", family.kind)
    };
    let advice = format!("record it with a {}", def.instrument.name());
    report(FindingId::WrongInstrument, def.name, is, advice, findings);
}

pub(super) fn compare(def: &MetricDef, family: &Family, findings: &mut Findings) {
    if family.kind != def.instrument.name() {
        return instrument(def, family, findings);
    }
    if let Some(instead) = def.deprecated {
        old::deprecated(Signal::Metric, def.name, "this metric", instead, findings);
    }
    // `_created` says when a series began; some libraries add it.
    let lines: Vec<_> = family
        .samples
        .iter()
        .filter(|line| !line.name.ends_with("_created"))
        .collect();
    let series: BTreeSet<_> = lines.iter().map(|line| without_bound(def, line)).collect();
    for labels in &series {
        self::labels(def, labels, findings);
    }
    closed_sets(def, &series, findings);
    if def.instrument == Instrument::Histogram {
        for labels in &series {
            histogram(def, &family.name, labels, &lines, findings);
        }
    }
}

/// The labels of a line, without the one that says which bucket it is.
fn without_bound(def: &MetricDef, line: &Sample) -> Labels {
    let mut labels = line.labels.clone();
    if def.instrument == Instrument::Histogram && line.name.ends_with("_bucket") {
        labels.remove("le");
    }
    labels
}

fn labels(def: &MetricDef, labels: &Labels, findings: &mut Findings) {
    for name in labels.keys() {
        let known = |label: &LabelDef| label.name == name || old::is(label.was, name);
        if !def.labels.iter().any(known) {
            let text = format!("has the label `{name}`, which is not declared");
            let advice = "leave it out: each value of a label is a series of its own";
            report(FindingId::UndeclaredLabel, def.name, text, advice, findings);
        }
    }
    for label in def.labels {
        let value = labels.get(label.name).filter(|value| !value.is_empty());
        match (value, label.values) {
            (None, _) if label.was.is_some_and(|was| labels.contains_key(was.name)) => {
                let old = label.was.map_or("", |was| was.name);
                old::alone(Signal::Metric, def.name, old, label.name, findings);
            }
            (None, _) => {
                let text = format!("has a series without the label `{}`", label.name);
                report(
                    FindingId::MissingLabel,
                    def.name,
                    text,
                    "set it on each",
                    findings,
                );
            }
            (Some(value), LabelValues::Closed(values)) if !values.contains(&value.as_str()) => {
                let text = format!("has a series with {}={value:?}", label.name);
                let advice = format!("use one of {}", values.join(", "));
                report(
                    FindingId::UndeclaredLabelValue,
                    def.name,
                    text,
                    advice,
                    findings,
                );
            }
            _ => {}
        }
    }
}

/// Every combination of the closed labels, for each combination of texts that is there.
fn closed_sets(def: &MetricDef, series: &BTreeSet<Labels>, findings: &mut Findings) {
    let is_text = |label: &&LabelDef| matches!(label.values, LabelValues::Text);
    let texts: Vec<_> = def.labels.iter().filter(is_text).collect();
    let mut bases: BTreeSet<Labels> = series
        .iter()
        .map(|labels| {
            let text =
                |label: &&LabelDef| Some((label.name.to_owned(), labels.get(label.name)?.clone()));
            texts
                .iter()
                .copied()
                .filter_map(|label| text(&label))
                .collect()
        })
        .collect();
    if texts.is_empty() {
        bases.insert(Labels::new());
    }
    let mut expected: Vec<Labels> = bases.into_iter().collect();
    for label in def.labels {
        let LabelValues::Closed(values) = label.values else {
            continue;
        };
        expected = expected
            .iter()
            .flat_map(|so_far| {
                values.iter().map(|value| {
                    let mut labels = so_far.clone();
                    labels.insert(label.name.to_owned(), (*value).to_owned());
                    labels
                })
            })
            .collect();
    }
    // A label too much is reported already: here it does not hide the series.
    let has = |wanted: &Labels| {
        series.iter().any(|labels| {
            wanted
                .iter()
                .all(|(name, value)| labels.get(name) == Some(value))
        })
    };
    for wanted in expected.iter().filter(|wanted| !has(wanted)) {
        let pairs: Vec<_> = wanted
            .iter()
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        let text = format!("has no series {{{}}}", pairs.join(","));
        let advice = "every series of a closed label set exists from the start, with the value 0";
        report(FindingId::MissingSeries, def.name, text, advice, findings);
    }
}

fn histogram(
    def: &MetricDef,
    family: &str,
    series: &Labels,
    lines: &[&Sample],
    findings: &mut Findings,
) {
    let of_series = |suffix: &str| {
        let name = format!("{family}{suffix}");
        lines
            .iter()
            .filter(|line| line.name == name && without_bound(def, line) == *series)
            .collect::<Vec<_>>()
    };
    for suffix in ["_sum", "_count"] {
        if of_series(suffix).is_empty() {
            let text = format!("has a series without `{suffix}`");
            let advice = "a histogram has buckets, a sum and a count";
            report(FindingId::MissingSeries, def.name, text, advice, findings);
        }
    }
    let bounds: Vec<f64> = of_series("_bucket")
        .iter()
        .filter_map(|line| match line.labels.get("le")?.as_str() {
            "+Inf" => Some(f64::INFINITY),
            other => other.parse().ok(),
        })
        .collect();
    let mut declared = def.buckets.to_vec();
    declared.push(f64::INFINITY);
    if bounds != declared {
        let text = format!("has the buckets {bounds:?}");
        let advice = format!("use {:?} and +Inf", def.buckets);
        report(FindingId::WrongBuckets, def.name, text, advice, findings);
    }
}

/// Everything on the page that is in a namespace of the schema's is declared.
/// Metrics in a namespace of the schema's that it does not declare; `known` are declared elsewhere.
pub(super) fn undeclared(schema: &Schema, page: &Page, known: &[&str], findings: &mut Findings) {
    let families = page.families.iter();
    for family in families.filter(|family| !known.contains(&family.name.as_str())) {
        undeclared_family(schema, family, findings);
    }
}

/// The word a metric begins with says whose it is.
fn undeclared_family(schema: &Schema, family: &Family, findings: &mut Findings) {
    let owned = schema.namespaces().iter().any(|namespace| {
        let declares = !namespace.foreign && !namespace.metrics.is_empty();
        declares
            && family
                .name
                .strip_prefix(namespace.name)
                .is_some_and(|rest| rest.starts_with('_'))
    });
    let base = family.name.strip_suffix("_created").unwrap_or(&family.name);
    let declared = |name: &str| old::metric(schema, name).is_some();
    if owned && !declared(base) && !declared(&format!("{base}_total")) {
        report(
            FindingId::UndeclaredMetric,
            &family.name,
            "is not declared, but its namespace is",
            "declare it, or use one of the declared names",
            findings,
        );
    }
}

pub(super) fn report(
    id: FindingId,
    name: &str,
    message: impl Into<String>,
    advice: impl Into<String>,
    findings: &mut Findings,
) {
    findings.violation(id, Signal::Metric, name, message, advice);
}
