//! How spans differ.

use super::change::{ChangeId, Changes, Section, Subject};
use super::{Renamed, pairs, reworded};
use crate::schema::{Parent, Presence, Schema, SpanDef};

const ANOTHER: &str =
    "declare a span of another name, and this one with `deprecated` for one minor version";

pub(super) fn compare(old: &Schema, new: &Schema, renamed: &Renamed, changes: &mut Changes) {
    for (before, after) in pairs(old.spans(), new.spans(), new, changes) {
        changes.about(Subject::Span, after.name);
        if before.kind != after.kind {
            let message = format!(
                "is of kind {} and was of kind {}",
                after.kind.name(),
                before.kind.name()
            );
            changes.undeclared(ChangeId::KindChanged, Section::Changed, message, ANOTHER);
        }
        parents(before, after, renamed, changes);
        attributes(before, after, renamed, changes);
        fixed(before, after, renamed, changes);
        reworded(before.brief, after.brief, changes);
    }
}

fn parents(before: &SpanDef, after: &SpanDef, renamed: &Renamed, changes: &mut Changes) {
    let words = |parents: &[Parent]| -> Vec<String> {
        let word = |parent: &Parent| match parent {
            Parent::Root => "nothing".to_owned(),
            Parent::Server => "a SERVER span".to_owned(),
            Parent::Client => "a CLIENT span".to_owned(),
            Parent::Span(name) => format!("`{}`", renamed.span(name)),
        };
        parents.iter().map(word).collect()
    };
    let (old, new) = (words(before.parents), words(after.parents));
    let all_in = |some: &[String], all: &[String]| some.iter().all(|one| all.contains(one));
    if all_in(&old, &new) && all_in(&new, &old) {
        return;
    }
    let listed = |words: &[String]| {
        if words.is_empty() {
            "anything".to_owned()
        } else {
            words.join(" or ")
        }
    };
    let message = format!(
        "stands under {} and stood under {}",
        listed(&new),
        listed(&old)
    );
    let (id, section) = (ChangeId::ParentsChanged, Section::Changed);
    // No parents at all are any.
    let wider = new.is_empty() || !old.is_empty() && all_in(&old, &new);
    if wider {
        changes.compatible(id, section, message, "");
    } else {
        changes.undeclared(id, section, message, ANOTHER);
    }
}

fn attributes(before: &SpanDef, after: &SpanDef, renamed: &Renamed, changes: &mut Changes) {
    let required = |presence: Presence| presence != Presence::Optional;
    let presence_in = |span: &SpanDef, name: &str| {
        let mut all = span.attributes.iter();
        all.find(|(key, _)| key.name == name)
            .map(|(_, presence)| *presence)
    };
    for (key, presence) in before.attributes {
        let name = renamed.key(key.name);
        match presence_in(after, name).map(required) {
            None => {
                let message = format!("no longer has `{name}`");
                let (id, section) = (ChangeId::AttributeRemoved, Section::Removed);
                match key.deprecated {
                    Some(instead) => changes.breaking(id, section, message, instead),
                    None => changes.undeclared(
                        id,
                        section,
                        message,
                        "declare the key with `deprecated` for one minor version first",
                    ),
                }
            }
            Some(false) if required(*presence) => changes.undeclared(
                ChangeId::RequirementChanged,
                Section::Changed,
                format!("may lack `{name}`, which was always there"),
                "keep it among the required ones",
            ),
            Some(true) if !required(*presence) => changes.compatible(
                ChangeId::RequirementChanged,
                Section::Changed,
                format!("always has `{name}`, which was optional"),
                "whoever emits the span has to set it",
            ),
            Some(_) => {}
        }
    }
    for (key, presence) in after.attributes {
        let is_before =
            |(before, _): &(&crate::schema::KeyDef, Presence)| renamed.key(before.name) == key.name;
        if !before.attributes.iter().any(is_before) {
            let advice = if required(*presence) {
                "whoever emits the span has to set it"
            } else {
                ""
            };
            let message = format!("has `{}`, which is new to it", key.name);
            changes.compatible(ChangeId::AttributeAdded, Section::Added, message, advice);
        }
    }
}

/// Attributes of fixed value.
fn fixed(before: &SpanDef, after: &SpanDef, renamed: &Renamed, changes: &mut Changes) {
    let (id, section) = (ChangeId::FixedChanged, Section::Changed);
    for (key, value) in before.twins {
        let name = renamed.key(key.name);
        let now = after.twins.iter().find(|(key, _)| key.name == name);
        match now {
            None => changes.undeclared(
                id,
                section,
                format!("no longer has `{name}` = \"{value}\""),
                "keep its `twin`",
            ),
            Some((_, now)) if now != value => changes.undeclared(
                id,
                section,
                format!("has `{name}` = \"{now}\", which was \"{value}\""),
                "keep the value",
            ),
            Some(_) => {}
        }
    }
    for (key, value) in after.twins {
        let known =
            |(before, _): &(&crate::schema::KeyDef, &str)| renamed.key(before.name) == key.name;
        if !before.twins.iter().any(known) {
            let message = format!("has `{}` = \"{value}\"", key.name);
            changes.compatible(id, section, message, "");
        }
    }
}
