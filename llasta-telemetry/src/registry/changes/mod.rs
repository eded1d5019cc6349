//! How one schema differs from another, and what of that breaks whoever reads the telemetry.
//!
//! A name may go when the older schema deprecated it, or when the newer one says that something
//! was called so before; both names are emitted for one minor version then. Whatever else would
//! break a query needs a new name.

mod change;
mod keys;
mod metrics;
mod spans;

use std::collections::BTreeMap;

use self::change::Changes;
pub use self::change::{Change, ChangeId, Section, Subject};
use super::releases::minors_between;
use crate::schema::{KeyDef, MetricDef, Owner, Schema, SpanDef, Was};

/// Everything that is different in `new`: what breaks undeclared first, then what breaks, then
/// the rest.
pub fn diff(old: &Schema, new: &Schema) -> Vec<Change> {
    let mut changes = Changes::new();
    let renamed = Renamed::between(old, new);
    namespaces(old, new, &mut changes);
    keys::compare(old, new, &renamed, &mut changes);
    spans::compare(old, new, &renamed, &mut changes);
    metrics::compare(old, new, &mut changes);
    find_overdue(new, &mut changes);
    changes.into_vec()
}

/// Names from before that should no longer be emitted: they were renamed more than one minor
/// version ago.
pub fn overdue(schema: &Schema) -> Vec<Change> {
    let mut changes = Changes::new();
    find_overdue(schema, &mut changes);
    changes.into_vec()
}

/// Something that has a name.
trait Named {
    const SUBJECT: Subject;
    fn name(&self) -> &'static str;
    fn was(&self) -> Option<Was>;
    fn deprecated(&self) -> Option<&'static str>;
    /// The version of the crate that declares it.
    fn version(schema: &Schema, name: &str) -> &'static str;
}

macro_rules! named {
    ($($def:ident $subject:ident $namespace_of:ident;)*) => {
        $(impl Named for $def {
            const SUBJECT: Subject = Subject::$subject;
            fn name(&self) -> &'static str {
                self.name
            }
            fn was(&self) -> Option<Was> {
                self.was
            }
            fn deprecated(&self) -> Option<&'static str> {
                self.deprecated
            }
            fn version(schema: &Schema, name: &str) -> &'static str {
                schema.$namespace_of(name).map_or("", |namespace| namespace.version)
            }
        })*
    };
}

named! {
    KeyDef Key namespace_of_key;
    SpanDef Span namespace_of_span;
    MetricDef Metric namespace_of_metric;
}

/// The newer names of what was renamed.
struct Renamed {
    keys: BTreeMap<&'static str, &'static str>,
    spans: BTreeMap<&'static str, &'static str>,
}

impl Renamed {
    fn between(old: &Schema, new: &Schema) -> Self {
        let renamed = |name, was: Option<Was>| was.map(|was| (was.name, name));
        let keys = new.keys().filter_map(|key| renamed(key.name, key.was));
        let spans = new.spans().filter_map(|span| renamed(span.name, span.was));
        Self {
            keys: keys
                .filter(|(before, _)| old.key(before).is_some())
                .collect(),
            spans: spans
                .filter(|(before, _)| old.span(before).is_some())
                .collect(),
        }
    }

    fn key<'a>(&self, name: &'a str) -> &'a str {
        self.keys.get(name).copied().unwrap_or(name)
    }

    fn span<'a>(&self, name: &'a str) -> &'a str {
        self.spans.get(name).copied().unwrap_or(name)
    }
}

/// What is in both, by either name; reports what is in one alone, and what became of the name.
fn pairs<T: Named + 'static>(
    old: impl Iterator<Item = &'static T>,
    new: impl Iterator<Item = &'static T>,
    schema: &Schema,
    changes: &mut Changes,
) -> Vec<(&'static T, &'static T)> {
    let mut left: BTreeMap<_, _> = old.map(|item| (item.name(), item)).collect();
    let mut pairs = Vec::new();
    let mut newer = Vec::new();
    for item in new {
        match left.remove(item.name()) {
            Some(before) => pairs.push((before, item)),
            None => newer.push(item),
        }
    }
    for item in newer {
        let before = item.was().and_then(|was| left.remove(was.name));
        changes.about(T::SUBJECT, item.name());
        match before {
            Some(before) => {
                let message = format!("was `{}` before", before.name());
                let advice = "ask for the new name; the old one goes with the next minor version";
                changes.breaking(ChangeId::Renamed, Section::Changed, message, advice);
                pairs.push((before, item));
            }
            None => changes.compatible(ChangeId::Added, Section::Added, "is new", ""),
        }
    }
    for (name, item) in left {
        changes.about(T::SUBJECT, name);
        let (id, section) = (ChangeId::Removed, Section::Removed);
        match item.deprecated() {
            Some(instead) => {
                changes.breaking(id, section, "is gone, as its deprecation said", instead);
            }
            None => changes.undeclared(
                id,
                section,
                "is gone",
                "declare it with `deprecated` for one minor version first, or name it in the `was` of what replaces it",
            ),
        }
    }
    for (before, item) in &pairs {
        changes.about(T::SUBJECT, item.name());
        old_name(
            before.was(),
            item.was(),
            T::version(schema, item.name()),
            changes,
        );
        match (before.deprecated(), item.deprecated()) {
            (None, Some(instead)) => changes.compatible(
                ChangeId::Deprecated,
                Section::Deprecated,
                "should no longer be used",
                instead,
            ),
            (Some(_), None) => changes.compatible(
                ChangeId::Reinstated,
                Section::Changed,
                "is no longer deprecated",
                "",
            ),
            _ => {}
        }
    }
    pairs
}

/// The name that something had before ends, in time or too soon.
fn old_name(before: Option<Was>, after: Option<Was>, version: &str, changes: &mut Changes) {
    let Some(was) = before else { return };
    if after.is_some_and(|after| after.name == was.name) {
        return;
    }
    let message = format!("is no longer emitted as `{}`", was.name);
    let (id, section) = (ChangeId::OldNameEnded, Section::Removed);
    if minors_between(was.since, version) == 0 {
        let advice = format!(
            "keep `was: \"{}\" since \"{}\"` until the next minor version",
            was.name, was.since
        );
        changes.undeclared(id, section, message, &advice);
    } else {
        changes.breaking(id, section, message, "ask for the new name");
    }
}

fn namespaces(old: &Schema, new: &Schema, changes: &mut Changes) {
    for before in old.namespaces() {
        let mut all = new.namespaces().iter();
        let Some(after) = all.find(|namespace| namespace.name == before.name) else {
            continue;
        };
        changes.about(Subject::Namespace, after.name);
        if before.owner != after.owner && !before.metrics.is_empty() {
            let message = format!(
                "belongs to {} and belonged to {}",
                whose(after.owner),
                whose(before.owner)
            );
            let advice = "declare metrics of the new owner, and deprecate the old ones";
            changes.undeclared(ChangeId::OwnerChanged, Section::Changed, message, advice);
        }
        reworded(before.brief, after.brief, changes);
    }
}

fn whose(owner: Owner) -> String {
    match owner {
        Owner::Anyone => "any service".to_owned(),
        Owner::Everyone => "every service".to_owned(),
        Owner::Service(name) => format!("`{name}`"),
    }
}

fn reworded(before: &str, after: &str, changes: &mut Changes) {
    if before != after {
        let message = format!("is described as \"{after}\", which was \"{before}\"");
        changes.compatible(ChangeId::Reworded, Section::Changed, message, "");
    }
}

fn find_overdue(schema: &Schema, changes: &mut Changes) {
    each_overdue(schema.keys(), schema, changes);
    each_overdue(schema.spans(), schema, changes);
    each_overdue(schema.metrics(), schema, changes);
    for metric in schema.metrics() {
        for label in metric.labels {
            changes.about(Subject::Metric, metric.name);
            if let Some(was) = label.was {
                let version = MetricDef::version(schema, metric.name);
                too_old(was, &format!("label `{}`", label.name), version, changes);
            }
        }
    }
}

fn each_overdue<T: Named + 'static>(
    items: impl Iterator<Item = &'static T>,
    schema: &Schema,
    changes: &mut Changes,
) {
    for item in items {
        changes.about(T::SUBJECT, item.name());
        if let Some(was) = item.was() {
            let version = T::version(schema, item.name());
            too_old(was, "name", version, changes);
        }
    }
}

fn too_old(was: Was, what: &str, version: &str, changes: &mut Changes) {
    if minors_between(was.since, version) > 1 {
        let message = format!(
            "still has its {what} from before {}, `{}`",
            was.since, was.name
        );
        let advice = format!("remove the `was`: {version} is more than one minor version later");
        changes.compatible(ChangeId::Overdue, Section::Removed, message, &advice);
    }
}
