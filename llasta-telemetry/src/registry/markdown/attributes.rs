//! Every attribute, by namespace.

use std::collections::BTreeMap;

use super::{anchor, cell, examples, head, history};
use crate::schema::{KeyDef, Schema, SpanDef, Stability, TwinForm};

pub(super) fn page(schema: &Schema) -> String {
    let mut page = head("Attributes");
    let carried = carried(schema);
    for namespace in schema.namespaces() {
        if namespace.keys.is_empty() {
            continue;
        }
        page += &format!(
            "\n## {}\n\n{}\n\n| attribute | type | unit | meaning | example | on |\n|---|---|---|---|---|---|\n",
            namespace.name, namespace.brief
        );
        for key in namespace.keys {
            page += &row(key, carried.get(key.name).map_or(&[], Vec::as_slice));
        }
    }
    page
}

/// The spans that carry each key, under its own name or as the twin of another.
fn carried(schema: &Schema) -> BTreeMap<&'static str, Vec<&'static SpanDef>> {
    let mut carried: BTreeMap<_, Vec<&'static SpanDef>> = BTreeMap::new();
    for span in schema.spans() {
        let own = span.attributes.iter().map(|(key, _)| *key);
        let twins = own.clone().filter_map(|key| key.twin.map(|twin| twin.key));
        let fixed = span.twins.iter().map(|(key, _)| *key);
        for key in own.chain(twins).chain(fixed) {
            let spans = carried.entry(key.name).or_default();
            if !spans.iter().any(|known| known.name == span.name) {
                spans.push(span);
            }
        }
    }
    carried
}

fn row(key: &KeyDef, spans: &[&SpanDef]) -> String {
    let mut meaning = cell(key.brief);
    if key.content {
        meaning += " *Content.*";
    }
    if key.stability == Stability::Development {
        meaning += " *In development.*";
    }
    if let Some(twin) = key.twin {
        let form = match twin.form {
            TwinForm::Same => "",
            TwinForm::WhenTrue => ", when it is true",
            TwinForm::ListOfOne => ", as a list",
        };
        meaning += &format!(" Also [`{0}`](#{0}){form}.", twin.key.name);
    }
    meaning += &history(key.was, key.deprecated);
    let on: Vec<_> = spans
        .iter()
        .map(|span| format!("[`{}`](spans.md#{})", span.name, anchor(span.name)))
        .collect();
    format!(
        "| <a id=\"{0}\"></a>`{0}` | {1} | {2} | {meaning} | {3} | {4} |\n",
        key.name,
        key.ty.name(),
        key.unit.map(|unit| format!("`{unit}`")).unwrap_or_default(),
        examples(key.examples),
        on.join(", ")
    )
}
