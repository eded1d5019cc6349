//! The labels of metrics, as the attributes that Weaver takes them for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::form::{Attribute, Deprecated, Member, Type};
use crate::schema::{AttributeType, LabelValues, Schema, Was};

/// What all metrics together say of one label.
#[derive(Default)]
struct Label {
    /// Every value that some metric allows, in the order they were declared.
    values: Vec<&'static str>,
    /// Whether some metric takes any text.
    text: bool,
    metrics: Vec<&'static str>,
    /// Set when this is the name before, of the label of the other name.
    renamed: Option<(Was, &'static str)>,
}

/// Whether the label can be an attribute beside these keys. One that is the namespace of a key, as
/// `service` is of `service.name`, cannot: Weaver's `live-check` would call every such key that is
/// sent a violation, `illegal_namespace`.
pub(super) fn fits(label: &str, keys: &BTreeSet<&str>) -> bool {
    !keys.iter().any(|key| {
        key.strip_prefix(label)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// Each label once, by name. One that is also a key of the schema is defined there, and one that
/// does not fit is left out.
pub(super) fn attributes(schema: &Schema, keys: &BTreeSet<&str>) -> Vec<Attribute> {
    let mut labels: BTreeMap<&'static str, Label> = BTreeMap::new();
    for metric in schema.metrics() {
        for label in metric.labels {
            let before = label.was.map(|was| (was.name, Some((was, label.name))));
            for (name, renamed) in [(label.name, None)].into_iter().chain(before) {
                let entry = labels.entry(name).or_default();
                entry.metrics.push(metric.name);
                entry.renamed = entry.renamed.or(renamed);
                match label.values {
                    LabelValues::Text => entry.text = true,
                    LabelValues::Closed(values) => {
                        for value in values {
                            if !entry.values.contains(value) {
                                entry.values.push(value);
                            }
                        }
                    }
                }
            }
        }
    }
    labels
        .into_iter()
        .filter(|(name, _)| schema.key(name).is_none() && fits(name, keys))
        .map(|(name, label)| attribute(schema, name, &label))
        .collect()
}

fn attribute(schema: &Schema, name: &str, label: &Label) -> Attribute {
    let metrics: Vec<_> = label
        .metrics
        .iter()
        .map(|name| format!("`{name}`"))
        .collect();
    let closed = !label.text && !label.values.is_empty();
    Attribute {
        key: name.to_owned(),
        brief: if closed {
            format!("Label `{name}` of metrics, from a closed set.")
        } else {
            format!("Label `{name}` of metrics, a text from the service's configuration.")
        },
        note: format!("On {}.", metrics.join(", ")),
        stability: "stable",
        examples: if closed {
            Vec::new()
        } else {
            examples(schema, name, &label.values)
        },
        ty: if closed {
            Type::Members {
                members: members(&label.values),
            }
        } else {
            Type::Plain(AttributeType::String.name())
        },
        deprecated: label
            .renamed
            .map(|(was, now)| Deprecated::renamed(was, now)),
    }
}

fn members(values: &[&str]) -> Vec<Member> {
    let mut ids = BTreeSet::new();
    values
        .iter()
        .map(|value| {
            let bare = identifier(value);
            let mut id = bare.clone();
            // `/health` and `health` are two values.
            for number in 2.. {
                if ids.insert(id.clone()) {
                    break;
                }
                id = format!("{bare}_{number}");
            }
            Member {
                id,
                value: (*value).to_owned(),
                stability: "stable",
            }
        })
        .collect()
}

/// `/api/chat` is `api_chat`, and what has no letter is `root` or `other`.
fn identifier(value: &str) -> String {
    let words: Vec<_> = value
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    match (words.is_empty(), value) {
        (false, _) => words.join("_"),
        (true, "/") => "root".to_owned(),
        (true, _) => "other".to_owned(),
    }
}

/// Values that a text label may have: those that other metrics list, or else the examples of a
/// key that is named alike, the shortest name first: `model` is like `llm.model`.
fn examples(schema: &Schema, name: &str, values: &[&str]) -> Vec<Value> {
    if !values.is_empty() {
        return values.iter().map(|value| Value::from(*value)).collect();
    }
    let bare = name.strip_suffix("_name").unwrap_or(name);
    let segments = |key: &str| key.matches('.').count();
    let alike = schema
        .keys()
        .filter(|key| key.ty == AttributeType::String && !key.examples.is_empty())
        .filter(|key| {
            let last = key.name.rsplit('.').next();
            let named = key.name.strip_suffix(".name") == Some(bare);
            last == Some(name) || last == Some(bare) || named
        })
        // The last of equals: the minimum would be the first.
        .max_by_key(|key| std::cmp::Reverse(segments(key.name)));
    match alike {
        Some(key) => key.examples.iter().map(|text| Value::from(*text)).collect(),
        None => vec![Value::from(format!("a {name}"))],
    }
}
