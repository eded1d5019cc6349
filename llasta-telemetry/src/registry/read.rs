//! A schema, read back from its JSON form.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::data::{
    FORMAT, KeyData, LabelData, MetricData, NamespaceData, OwnerData, ParentData, SchemaData,
    SpanData, ValuesData, WasData,
};
use crate::schema::{
    Clash, KeyDef, LabelDef, LabelValues, MetricDef, Namespace, Owner, Parent, Presence, Schema,
    SpanDef, TwinDef, Was,
};

/// Why a text is no schema.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// It is no JSON, or not of the form that [`json`](super::json) writes.
    Json(serde_json::Error),
    /// It is of a form that this version does not know.
    Format {
        /// The number it bears.
        found: u32,
    },
    /// It names a key that it does not declare.
    UnknownKey {
        /// The key.
        key: String,
        /// What names it: a span, or another key.
        by: String,
    },
    /// It declares something twice.
    Clash(Clash),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(_) => write!(
                f,
                "this is no schema: write one with `llasta schema export --format json` or `registry::json`"
            ),
            Self::Format { found } => write!(
                f,
                "the schema is of format {found}, and this version reads format {FORMAT}: use the version that wrote it, or a newer one"
            ),
            Self::UnknownKey { key, by } => write!(
                f,
                "`{by}` names the key `{key}`, which the schema does not declare, or only by way of itself"
            ),
            Self::Clash(clash) => clash.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Json(error) => Some(error),
            _ => None,
        }
    }
}

/// Reads what [`json`](super::json) wrote. The schema works like one that was compiled in: the
/// checks, the exports and [`diff`](super::diff) take either.
///
/// A schema refers to definitions that live as long as the process, so what is read is never
/// given back: some 100 kB for the contract. Read a file once, not once per request.
///
/// # Errors
///
/// A text of another form, or one that contradicts itself; see [`ReadError`].
pub fn read(json: &str) -> Result<Schema, ReadError> {
    // The number first: another format may have any other fields.
    let value: serde_json::Value = serde_json::from_str(json).map_err(ReadError::Json)?;
    if let Some(found) = value.get("format").and_then(serde_json::Value::as_u64)
        && found != u64::from(FORMAT)
    {
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        return Err(ReadError::Format { found });
    }
    // From the text once more, for the line and the column in the message.
    let data: SchemaData = serde_json::from_str(json).map_err(ReadError::Json)?;
    let namespaces = data.namespaces.iter();
    let keys = keys(
        namespaces
            .flat_map(|namespace| &namespace.keys)
            .chain(&data.borrowed),
    )?;
    let mut schema = Schema::new();
    for data in &data.namespaces {
        schema
            .add(namespace(data, &keys)?)
            .map_err(ReadError::Clash)?;
    }
    Ok(schema)
}

/// The one place that keeps something for as long as the process lives.
fn kept<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn list<T>(values: Vec<T>) -> &'static [T] {
    values.leak()
}

fn text(text: &str) -> &'static str {
    kept(text.to_owned())
}

fn optional(text: Option<&String>) -> Option<&'static str> {
    text.map(|text| self::text(text))
}

type Keys = BTreeMap<String, &'static KeyDef>;

/// Every key, each after the one that it names as its twin.
fn keys<'a>(all: impl Iterator<Item = &'a KeyData>) -> Result<Keys, ReadError> {
    let mut keys = Keys::new();
    let mut waiting: Vec<&KeyData> = all.collect();
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain(|data| {
            let twin = match &data.twin {
                None => None,
                Some(twin) => match keys.get(&twin.key) {
                    None => return true,
                    Some(key) => Some(kept(TwinDef {
                        key,
                        form: twin.form.into(),
                    })),
                },
            };
            // A key that is declared twice stays two, for the message about the clash.
            keys.entry(data.name.clone())
                .or_insert_with(|| kept(key(data, twin)));
            false
        });
        if waiting.len() == before {
            let data = waiting[0];
            return Err(unknown(
                data.twin.as_ref().map_or("", |twin| &twin.key),
                &data.name,
            ));
        }
    }
    Ok(keys)
}

fn key(data: &KeyData, twin: Option<&'static TwinDef>) -> KeyDef {
    KeyDef {
        name: text(&data.name),
        ty: data.ty.into(),
        brief: text(&data.brief),
        unit: optional(data.unit.as_ref()),
        stability: data.stability.into(),
        content: data.content,
        twin,
        examples: texts(&data.examples),
        was: data.was.as_ref().map(was),
        deprecated: optional(data.deprecated.as_ref()),
    }
}

fn namespace(data: &NamespaceData, keys: &Keys) -> Result<&'static Namespace, ReadError> {
    let mut own = Vec::new();
    let mut seen = BTreeSet::new();
    for key in &data.keys {
        if !seen.insert(&key.name) {
            return Err(twice("key", &key.name, data));
        }
        own.push(resolved(keys, &key.name, &data.name)?);
    }
    let mut spans = Vec::new();
    for span in &data.spans {
        spans.push(kept(self::span(span, keys)?));
    }
    let metrics: Vec<_> = data.metrics.iter().map(metric).collect();
    let blocks = if metrics.is_empty() {
        Vec::new()
    } else {
        vec![list(metrics)]
    };
    Ok(kept(Namespace {
        name: text(&data.name),
        brief: text(&data.brief),
        foreign: data.foreign,
        keys: list(own),
        spans: list(spans),
        metrics: list(blocks),
        owner: match &data.owner {
            OwnerData::Anyone => Owner::Anyone,
            OwnerData::Everyone => Owner::Everyone,
            OwnerData::Service(name) => Owner::Service(text(name)),
        },
        version: text(&data.version),
        declared_at: text(&data.declared_at),
    }))
}

fn twice(what: &'static str, name: &str, data: &NamespaceData) -> ReadError {
    let place = text(&data.declared_at);
    ReadError::Clash(Clash {
        what,
        name: text(name),
        first: place,
        second: place,
    })
}

fn span(data: &SpanData, keys: &Keys) -> Result<SpanDef, ReadError> {
    let mut attributes: Vec<(&'static KeyDef, Presence)> = Vec::new();
    for attribute in &data.attributes {
        let key = resolved(keys, &attribute.key, &data.name)?;
        attributes.push((key, attribute.presence.into()));
    }
    let mut twins = Vec::new();
    for twin in &data.twins {
        twins.push((resolved(keys, &twin.key, &data.name)?, text(&twin.value)));
    }
    let parents = data.parents.iter().map(|parent| match parent {
        ParentData::Root => Parent::Root,
        ParentData::Server => Parent::Server,
        ParentData::Client => Parent::Client,
        ParentData::Span(name) => Parent::Span(text(name)),
    });
    Ok(SpanDef {
        name: text(&data.name),
        kind: data.kind.into(),
        brief: text(&data.brief),
        parents: list(parents.collect()),
        attributes: list(attributes),
        twins: list(twins),
        was: data.was.as_ref().map(was),
        deprecated: optional(data.deprecated.as_ref()),
    })
}

fn metric(data: &MetricData) -> MetricDef {
    MetricDef {
        name: text(&data.name),
        instrument: data.instrument.into(),
        brief: text(&data.brief),
        unit: optional(data.unit.as_ref()),
        labels: list(data.labels.iter().map(label).collect()),
        buckets: list(data.buckets.clone()),
        was: data.was.as_ref().map(was),
        deprecated: optional(data.deprecated.as_ref()),
    }
}

fn label(data: &LabelData) -> LabelDef {
    LabelDef {
        name: text(&data.name),
        values: match &data.values {
            ValuesData::Closed(values) => LabelValues::Closed(texts(values)),
            ValuesData::Text => LabelValues::Text,
        },
        was: data.was.as_ref().map(was),
    }
}

fn was(data: &WasData) -> Was {
    Was {
        name: text(&data.name),
        since: text(&data.since),
    }
}

fn texts(texts: &[String]) -> &'static [&'static str] {
    list(texts.iter().map(|each| text(each)).collect())
}

fn resolved(keys: &Keys, key: &str, by: &str) -> Result<&'static KeyDef, ReadError> {
    keys.get(key).copied().ok_or_else(|| unknown(key, by))
}

fn unknown(key: &str, by: &str) -> ReadError {
    ReadError::UnknownKey {
        key: key.to_owned(),
        by: by.to_owned(),
    }
}
