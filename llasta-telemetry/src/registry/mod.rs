//! Floor 3: a schema as data.
//!
//! Everything that is written from a [`Schema`]: its JSON form, which [`read`] takes back; a
//! registry for OpenTelemetry Weaver; a JSON Schema of captured spans and log lines; the reference
//! pages; a Python module. A team whose crate declares telemetry of its own calls these with its
//! own schema, or with one that [`Schema::merge`] made of several. What is written depends on
//! nothing but the schema, to the last byte.
//!
//! Schemas change over time, and [`diff`] says how one differs from another, what of that breaks
//! whoever reads the telemetry, and what the declaration has to say for it. [`keeps`] is the same
//! as a test, against the releases that a crate has kept.
//!
//! ```
//! use llasta_telemetry::registry;
//! use llasta_telemetry::schema::Schema;
//!
//! let schema = Schema::contract();
//! let read = registry::read(&registry::json(&schema))?;
//! assert_eq!(registry::diff(&schema, &read), []);
//! # Ok::<(), registry::ReadError>(())
//! ```

mod changes;
mod data;
mod json_schema;
mod markdown;
mod python;
mod read;
mod releases;
mod weaver;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::schema::{KeyDef, Namespace, Schema, SpanDef};

pub use self::changes::{Change, ChangeId, Section, Subject, diff, overdue};
pub use self::json_schema::json_schema;
pub use self::markdown::markdown;
pub use self::python::python;
pub use self::read::{ReadError, read};
pub use self::releases::{Unkept, keeps, release, released};
pub use self::weaver::{Weaver, weaver};

/// A file that an export consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct File {
    /// Its path from the folder of the export, with forward slashes.
    pub path: String,
    /// What it holds; ends in a line feed.
    pub text: String,
}

impl File {
    fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }
}

/// What a schema can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// The schema itself: one file, `schema.json`, which [`read`] takes back.
    Json,
    /// A JSON Schema of captured spans and log lines: one file, `telemetry.schema.json`.
    JsonSchema,
    /// The reference pages.
    Markdown,
    /// A registry for OpenTelemetry Weaver.
    Weaver,
    /// A module for services in Python: one file, `llasta_schema.py`.
    Python,
}

impl Format {
    /// Every format, with the name it goes by on the command line.
    pub const ALL: [(&'static str, Self); 5] = [
        ("json", Self::Json),
        ("json-schema", Self::JsonSchema),
        ("markdown", Self::Markdown),
        ("weaver", Self::Weaver),
        ("python", Self::Python),
    ];
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|(name, _)| *name == text);
        known.map(|(_, format)| format).ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name).join(", ");
            Error::config(format!("`{text}` is no format of a schema: use {names}"))
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.into_iter().find(|(_, format)| format == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

/// Writes a schema in the given format, the same bytes each time.
pub fn export(schema: &Schema, format: Format) -> Vec<File> {
    match format {
        Format::Json => vec![File::new("schema.json", json(schema))],
        Format::JsonSchema => vec![File::new("telemetry.schema.json", json_schema(schema))],
        Format::Markdown => markdown(schema),
        Format::Weaver => weaver(schema, &Weaver::default()),
        Format::Python => vec![File::new("llasta_schema.py", python(schema))],
    }
}

/// The whole schema as JSON: namespaces in the order they were added, everything in them in the
/// order it was declared. [`read`] is the way back.
pub fn json(schema: &Schema) -> String {
    let text = serde_json::to_string_pretty(&data::SchemaData::of(schema));
    // Texts, numbers and lists of them: nothing that could not be written.
    text.unwrap_or_default() + "\n"
}

/// The version of a schema: the greatest among those of the crates that declare names of their
/// own in it; `0.0.0` when it declares none.
pub fn version(schema: &Schema) -> &'static str {
    let own = schema.namespaces().iter();
    own.filter(|namespace| !namespace.foreign)
        .map(|namespace| namespace.version)
        .max_by_key(|version| releases::numbers(version))
        .unwrap_or("0.0.0")
}

/// The spans of a declaration, those first that it lists itself.
fn spans_of(schema: &Schema, namespace: &Namespace) -> Vec<&'static SpanDef> {
    let listed = namespace.spans.iter().copied();
    let is_listed = |span: &SpanDef| namespace.spans.iter().any(|own| own.name == span.name);
    let others = schema.spans().filter(|span| {
        let of = schema.namespace_of_span(span.name);
        of.is_some_and(|of| std::ptr::eq(of, namespace)) && !is_listed(span)
    });
    listed.chain(others).collect()
}

/// Keys that the schema's spans and twins name without declaring them, by name.
fn borrowed(schema: &Schema) -> Vec<&'static KeyDef> {
    let mut found: BTreeMap<&str, &'static KeyDef> = BTreeMap::new();
    let spans = schema.spans().flat_map(|span| {
        let fixed = span.twins.iter().map(|(key, _)| *key);
        span.attributes.iter().map(|(key, _)| *key).chain(fixed)
    });
    let mut waiting: Vec<&'static KeyDef> = schema.keys().chain(spans).collect();
    while let Some(key) = waiting.pop() {
        waiting.extend(key.twin.map(|twin| twin.key));
        if schema.key(key.name).is_none() {
            found.insert(key.name, key);
        }
    }
    found.into_values().collect()
}

/// Where a declaration stands, without the folders of the machine that compiled it: an absolute
/// path begins with the crate's own folder then.
fn place(declared_at: &str) -> &str {
    // Cargo hands relative paths to the compiler for a workspace, absolute ones for what it fetched.
    if !std::path::Path::new(declared_at).is_absolute() {
        return declared_at;
    }
    // `src` is where the code is; what stands before it is the crate's folder.
    let folder = match declared_at.rfind("/src/") {
        Some(src) => declared_at[..src].rfind('/'),
        None => declared_at.rfind('/'),
    };
    folder.map_or(declared_at, |slash| &declared_at[slash + 1..])
}
