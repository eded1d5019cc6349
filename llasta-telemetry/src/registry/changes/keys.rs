//! How attributes differ.

use super::change::{ChangeId, Changes, Section, Subject};
use super::{Renamed, pairs, reworded};
use crate::schema::{KeyDef, Schema, Stability};

pub(super) fn compare(old: &Schema, new: &Schema, renamed: &Renamed, changes: &mut Changes) {
    for (before, after) in pairs(old.keys(), new.keys(), new, changes) {
        changes.about(Subject::Key, after.name);
        key(before, after, renamed, changes);
    }
}

fn key(before: &KeyDef, after: &KeyDef, renamed: &Renamed, changes: &mut Changes) {
    let changed = Section::Changed;
    let another =
        "declare a key of another name, and this one with `deprecated` for one minor version";
    if before.ty != after.ty {
        let message = format!(
            "is of type {} and was of type {}",
            after.ty.name(),
            before.ty.name()
        );
        changes.undeclared(ChangeId::Retyped, changed, message, another);
    }
    unit(before.unit, after.unit, another, changes);
    if before.stability != after.stability {
        let message = match after.stability {
            Stability::Stable => "is stable now",
            Stability::Development => "is no longer stable",
        };
        changes.compatible(ChangeId::StabilityChanged, changed, message, "");
    }
    if before.content != after.content {
        let message = if after.content {
            "is content now: the capture policy decides how much of it is kept"
        } else {
            "is no longer content: the capture policy does not apply"
        };
        changes.compatible(ChangeId::ContentChanged, changed, message, "");
    }
    let twin = |key: &KeyDef| key.twin.map(|twin| (twin.key.name, twin.form));
    match (twin(before), twin(after)) {
        (None, Some((name, _))) => {
            let message = format!("is emitted as `{name}` too");
            changes.compatible(ChangeId::TwinChanged, changed, message, "");
        }
        (Some((name, _)), None) => {
            let message = format!("is no longer emitted as `{name}`");
            changes.undeclared(ChangeId::TwinChanged, changed, message, "keep its `twin`");
        }
        (Some(before), Some(after)) if (renamed.key(before.0), before.1) != after => {
            let message = format!(
                "is emitted as `{}` in another form, or not as `{}` any more",
                after.0, before.0
            );
            let advice = "rename OpenTelemetry's key with `was`, so that both are emitted";
            changes.undeclared(ChangeId::TwinChanged, changed, message, advice);
        }
        _ => {}
    }
    reworded(before.brief, after.brief, changes);
    if before.examples != after.examples {
        let message = format!("has the examples {}", after.examples.join(", "));
        changes.compatible(ChangeId::Reworded, changed, message, "");
    }
}

/// A unit that was not said may be said; any other change makes old and new values incomparable.
pub(super) fn unit(before: Option<&str>, after: Option<&str>, advice: &str, changes: &mut Changes) {
    let (id, section) = (ChangeId::UnitChanged, Section::Changed);
    match (before, after) {
        (None, Some(unit)) => {
            let message = format!("says its unit, `{unit}`");
            changes.compatible(id, section, message, "");
        }
        (Some(unit), None) => {
            let message = format!("no longer says its unit, `{unit}`");
            changes.compatible(id, section, message, "");
        }
        (Some(before), Some(after)) if before != after => {
            let message = format!("is in `{after}` and was in `{before}`");
            changes.undeclared(id, section, message, advice);
        }
        _ => {}
    }
}
