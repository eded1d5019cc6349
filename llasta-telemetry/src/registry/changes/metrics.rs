//! How metrics differ.

use super::change::{ChangeId, Changes, Section, Subject};
use super::{Named, keys, old_name, pairs, reworded};
use crate::schema::{LabelDef, LabelValues, MetricDef, Schema};

const ANOTHER: &str =
    "declare a metric of another name, and this one with `deprecated` for one minor version";

pub(super) fn compare(old: &Schema, new: &Schema, changes: &mut Changes) {
    for (before, after) in pairs(old.metrics(), new.metrics(), new, changes) {
        changes.about(Subject::Metric, after.name);
        if before.instrument != after.instrument {
            let message = format!(
                "is a {} and was a {}",
                after.instrument.name(),
                before.instrument.name()
            );
            let (id, section) = (ChangeId::InstrumentChanged, Section::Changed);
            changes.undeclared(id, section, message, ANOTHER);
        }
        keys::unit(before.unit, after.unit, ANOTHER, changes);
        let version = MetricDef::version(new, after.name);
        labels(before, after, version, changes);
        buckets(before, after, changes);
        reworded(before.brief, after.brief, changes);
    }
}

fn labels(before: &MetricDef, after: &MetricDef, version: &str, changes: &mut Changes) {
    let mut known = Vec::new();
    for label in before.labels {
        let same = |other: &&LabelDef| other.name == label.name;
        let renamed = |other: &&LabelDef| other.was.is_some_and(|was| was.name == label.name);
        let mut all = after.labels.iter();
        let now = all.find(same);
        let Some(now) = now.or_else(|| after.labels.iter().find(renamed)) else {
            let message = format!("no longer has the label `{}`", label.name);
            changes.undeclared(
                ChangeId::LabelRemoved,
                Section::Removed,
                message,
                "declare what replaces it with a `was`, or a metric of another name",
            );
            continue;
        };
        known.push(now.name);
        if now.name != label.name {
            let message = format!(
                "has the label `{}`, which was `{}` before",
                now.name, label.name
            );
            let advice = "ask for the new name; the old one goes with the next minor version";
            changes.breaking(ChangeId::LabelRenamed, Section::Changed, message, advice);
        }
        old_name(label.was, now.was, version, changes);
        values(label, now, changes);
    }
    for label in after.labels.iter().filter(|new| !known.contains(&new.name)) {
        let message = format!("has the label `{}`, which is new to it", label.name);
        let advice =
            "what was one series is several now: declare a metric of another name for them";
        changes.undeclared(ChangeId::LabelAdded, Section::Changed, message, advice);
    }
}

fn values(before: &LabelDef, after: &LabelDef, changes: &mut Changes) {
    let (id, section) = (ChangeId::LabelValuesChanged, Section::Changed);
    let name = after.name;
    match (before.values, after.values) {
        (LabelValues::Text, LabelValues::Text) => {}
        (LabelValues::Text, LabelValues::Closed(_)) => {
            let message = format!("has a closed set of values for the label `{name}`");
            changes.compatible(id, section, message, "");
        }
        (LabelValues::Closed(_), LabelValues::Text) => {
            let message =
                format!("takes any text for the label `{name}`, which had a closed set of values");
            changes.undeclared(id, section, message, "keep the set");
        }
        (LabelValues::Closed(before), LabelValues::Closed(after)) => {
            let without = |some: &[&str], others: &[&str]| -> Vec<String> {
                some.iter()
                    .filter(|value| !others.contains(value))
                    .map(|value| format!("\"{value}\""))
                    .collect()
            };
            let (gone, new) = (without(before, after), without(after, before));
            if !gone.is_empty() {
                let message = format!("no longer has {name} = {}", gone.join(", "));
                let advice = "keep the values, at 0 when nothing counts there any more";
                changes.undeclared(id, section, message, advice);
            }
            if !new.is_empty() {
                let message = format!("has {name} = {} too", new.join(", "));
                let advice = "whoever lists the values has to add them";
                changes.compatible(id, section, message, advice);
            }
        }
    }
}

#[allow(clippy::float_cmp, reason = "bounds are compared as they are written")]
fn buckets(before: &MetricDef, after: &MetricDef, changes: &mut Changes) {
    if before.buckets == after.buckets {
        return;
    }
    let message = format!(
        "has the buckets {:?}, which were {:?}",
        after.buckets, before.buckets
    );
    let (id, section) = (ChangeId::BucketsChanged, Section::Changed);
    let kept = before
        .buckets
        .iter()
        .all(|bound| after.buckets.contains(bound));
    if kept {
        changes.compatible(id, section, message, "");
    } else {
        changes.undeclared(id, section, message, "keep the bounds, and add others");
    }
}
