//! Metrics, with their labels as the attributes that Weaver takes them for.

use std::collections::BTreeSet;

use super::form::{Deprecated, Metric, RECOMMENDED, REQUIRED, Ref};
use super::labels::fits;
use crate::schema::{LabelDef, MetricDef};

/// The metric, after what it was called before. `keys` are all that may be sent beside its labels.
pub(super) fn metrics(metric: &MetricDef, keys: &BTreeSet<&str>) -> Vec<Metric> {
    let refs = metric.labels.iter().flat_map(label);
    let (attributes, unfit): (Vec<_>, Vec<_>) = refs.partition(|label| fits(&label.key, keys));
    let mut notes = Vec::new();
    if !metric.buckets.is_empty() {
        let bounds: Vec<_> = metric.buckets.iter().map(ToString::to_string).collect();
        notes.push(format!("The buckets end at {}.", bounds.join(", ")));
    }
    for label in unfit {
        notes.push(format!(
            "Its label `{0}` is left out: it is the namespace of the attributes `{0}.*`.",
            label.key
        ));
    }
    let note = notes.join(" ");
    let one = |name: &str, deprecated| Metric {
        name: name.to_owned(),
        instrument: metric.instrument.name(),
        unit: unit(metric).to_owned(),
        brief: metric.brief.to_owned(),
        note: note.clone(),
        stability: "stable",
        requirement_level: "recommended",
        attributes: attributes.clone(),
        deprecated,
    };
    let before = metric
        .was
        .map(|was| one(was.name, Some(Deprecated::renamed(was, metric.name))));
    let now = one(metric.name, Deprecated::instead(metric.deprecated));
    before.into_iter().chain([now]).collect()
}

fn label(label: &LabelDef) -> Vec<Ref> {
    let mut refs = vec![Ref::new(label.name, REQUIRED)];
    if let Some(was) = label.was {
        let note = format!("The name of `{}` before {}.", label.name, was.since);
        refs.push(Ref::new(was.name, RECOMMENDED).note(note));
    }
    refs
}

/// The unit that is declared, or else the one that the name ends in, as Prometheus has it.
fn unit(metric: &MetricDef) -> &'static str {
    let name = metric.name.strip_suffix("_total").unwrap_or(metric.name);
    match (metric.unit, name.rsplit('_').next()) {
        (Some(unit), _) => unit,
        (None, Some("seconds")) => "s",
        (None, Some("bytes")) => "By",
        (None, _) => "1",
    }
}
