//! A registry that OpenTelemetry Weaver reads: a manifest, and one definition file a namespace.
//!
//! Weaver has one list of attributes for everything, so the labels of metrics are attributes too,
//! but for those that are the namespace of a key, as `service` is: `live-check` refuses every key in
//! a namespace that is an attribute itself. It does not compare spans by name, and knows no parents
//! and no attributes of fixed value. All these are said in notes, for people.
//!
//! The manifest has no `file_format`. Weaver 0.25 allows one in packaged registries only; later
//! versions know one for definitions too, and warn when it is missing.

mod form;
mod labels;
mod metrics;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use self::form::{
    Attribute, Definitions, Dependency, Deprecated, Group, Level, Manifest, Name, RECOMMENDED,
    REQUIRED, Ref, Span, Type,
};
use super::{File, borrowed, spans_of, version};
use crate::schema::http::{ERROR_MESSAGE, ERROR_TYPE, PEER_SERVICE};
use crate::schema::{
    AttributeType, KeyDef, Kind, Namespace, Parent, Presence, Schema, SpanDef, Stability, TwinForm,
};

/// How a registry for Weaver is named, and what it holds.
#[derive(Debug, Clone)]
pub struct Weaver {
    name: String,
    description: String,
    schemas: String,
    upstream: bool,
}

impl Default for Weaver {
    fn default() -> Self {
        Self::new(
            "llasta",
            "Telemetry of LLM and RAG services",
            "https://llasta.dev/schemas",
        )
    }
}

impl Weaver {
    /// A registry of this name and description. `schemas` is the address under which its versions
    /// lie, such as `https://example.com/schemas`; nobody fetches it.
    pub fn new(
        name: impl Into<String>,
        description: impl Into<String>,
        schemas: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            schemas: schemas.into(),
            upstream: false,
        }
    }

    /// Whether OpenTelemetry's attributes are taken from its own registries, at the versions that
    /// this crate follows, instead of being written down once more. Weaver fetches them then.
    #[must_use]
    pub fn upstream(mut self, upstream: bool) -> Self {
        self.upstream = upstream;
        self
    }
}

/// Writes a registry in `file_format: definition/2`: `manifest.yaml`, one file for each namespace,
/// and `metric-labels.yaml`. Every attribute that a span or the resource may carry is in it, whoever
/// defined it, and every label of a metric that is not the namespace of an attribute.
pub fn weaver(schema: &Schema, options: &Weaver) -> Vec<File> {
    let writer = Writer::new(schema, options.upstream);
    let mut files = vec![yaml(
        "manifest.yaml",
        &Manifest {
            name: options.name.clone(),
            description: options.description.clone(),
            schema_url: format!(
                "{}/{}",
                options.schemas.trim_end_matches('/'),
                version(schema)
            ),
            dependencies: if options.upstream {
                dependencies()
            } else {
                Vec::new()
            },
        },
    )];
    let mut by_name: BTreeMap<&str, Definitions> = BTreeMap::new();
    let mut order = Vec::new();
    for namespace in schema.namespaces() {
        if !by_name.contains_key(namespace.name) {
            order.push(namespace.name);
        }
        let file = by_name
            .entry(namespace.name)
            .or_insert_with(Definitions::new);
        writer.namespace(namespace, file);
    }
    for name in order {
        if let Some(file) = by_name.remove(name) {
            push(&mut files, &format!("{name}.yaml"), &file);
        }
    }
    // A hyphen is in no namespace's name.
    let mut others = Definitions::new();
    writer.keys(&borrowed(schema), "borrowed", &mut others);
    push(&mut files, "borrowed-attributes.yaml", &others);
    let mut labels = Definitions::new();
    labels.attributes = labels::attributes(schema, &writer.known);
    push(&mut files, "metric-labels.yaml", &labels);
    files
}

fn push(files: &mut Vec<File>, path: &str, definitions: &Definitions) {
    if !definitions.is_empty() {
        files.push(yaml(path, definitions));
    }
}

fn yaml(path: &str, value: &impl Serialize) -> File {
    // Texts, numbers and lists of them: nothing that could not be written.
    let text = yaml_serde::to_string(value).unwrap_or_default();
    File::new(path, text)
}

/// The registries that hold OpenTelemetry's names, at the versions that
/// [`twins`](crate::schema::twins) and [`http`](crate::schema::http) follow.
fn dependencies() -> Vec<Dependency> {
    let one = |name: &str, repository: &str, schemas: &str, version: &str| Dependency {
        name: name.to_owned(),
        schema_url: format!("https://opentelemetry.io/schemas/{schemas}{version}"),
        registry_path: format!(
            "https://github.com/open-telemetry/{repository}.git@v{version}[model]"
        ),
    };
    vec![
        one("otel", "semantic-conventions", "", "1.44.0"),
        one("gen-ai", "semantic-conventions-genai", "gen-ai/", "0.1.0"),
    ]
}

/// What upstream has deprecated and the contract still asks for. With upstream's definitions
/// `live-check` would call each of them that is sent a violation, so they are defined here.
const DEPRECATED_UPSTREAM: [&str; 2] = [ERROR_MESSAGE.name(), PEER_SERVICE.name()];

struct Writer<'a> {
    schema: &'a Schema,
    /// The contract's own: whose names a borrowed key is, when the schema does not say.
    contract: Schema,
    upstream: bool,
    /// For each of OpenTelemetry's names those of ours that say the same.
    sources: BTreeMap<&'static str, Vec<&'static str>>,
    /// The name of every key that may be sent beside a label.
    known: BTreeSet<&'static str>,
}

impl<'a> Writer<'a> {
    fn new(schema: &'a Schema, upstream: bool) -> Self {
        let mut sources: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for key in schema.keys() {
            if let Some(twin) = key.twin {
                sources.entry(twin.key.name).or_default().push(key.name);
            }
        }
        let contract = Schema::contract();
        let before = |key: &KeyDef| key.was.map(|was| was.name);
        let known = schema
            .keys()
            .chain(borrowed(schema))
            .chain(contract.keys())
            .flat_map(|key| [Some(key.name), before(key)])
            .flatten()
            .collect();
        Self {
            schema,
            contract,
            upstream,
            sources,
            known,
        }
    }

    /// Whether the key is taken from upstream's registries.
    fn is_upstream(&self, key: &str) -> bool {
        if DEPRECATED_UPSTREAM.contains(&key) {
            return false;
        }
        let of = self.schema.namespace_of_key(key);
        let of = of.or_else(|| self.contract.namespace_of_key(key));
        of.is_some_and(|namespace| namespace.foreign)
    }

    fn namespace(&self, namespace: &Namespace, file: &mut Definitions) {
        self.keys(namespace.keys, namespace.name, file);
        // Upstream has spans of its own for what is foreign.
        if !(self.upstream && namespace.foreign) {
            for span in spans_of(self.schema, namespace) {
                self.span(span, namespace, file);
            }
        }
        for metric in namespace.metrics.iter().copied().flatten() {
            file.metrics.extend(metrics::metrics(metric, &self.known));
        }
    }

    /// Defines the keys, or refers to those that upstream defines.
    fn keys(&self, keys: &[&'static KeyDef], name: &str, file: &mut Definitions) {
        let (theirs, ours): (Vec<_>, Vec<_>) = keys
            .iter()
            .partition(|key| self.upstream && self.is_upstream(key.name));
        for key in ours {
            file.attributes.push(self.attribute(key, key.name, None));
            if let Some(was) = key.was {
                let renamed = Deprecated::renamed(was, key.name);
                let attribute = self.attribute(key, was.name, Some(renamed));
                file.attributes.push(attribute);
            }
        }
        if !theirs.is_empty() {
            let refs = theirs.iter().map(|key| Ref::new(key.name, RECOMMENDED));
            file.attribute_groups.push(Group {
                id: format!("upstream.{name}"),
                visibility: "public",
                brief: "OpenTelemetry's attributes that these services emit.".to_owned(),
                stability: "development",
                attributes: refs.collect(),
            });
        }
    }

    fn attribute(&self, key: &KeyDef, name: &str, renamed: Option<Deprecated>) -> Attribute {
        let mut notes = Vec::new();
        if let Some(unit) = key.unit {
            notes.push(format!("The unit is `{unit}`."));
        }
        if key.content {
            notes.push(
                "What people wrote: the capture policy says how much of it is kept.".to_owned(),
            );
        }
        if let Some(twin) = key.twin {
            notes.push(format!("OpenTelemetry's name is `{}`.", twin.key.name));
        }
        if let Some(sources) = self.sources.get(name) {
            let sources: Vec<_> = sources.iter().map(|name| format!("`{name}`")).collect();
            notes.push(format!("Says the same as {}.", sources.join(", ")));
        }
        Attribute {
            key: name.to_owned(),
            ty: Type::Plain(key.ty.name()),
            brief: key.brief.to_owned(),
            note: notes.join(" "),
            stability: stability(key.stability),
            examples: key
                .examples
                .iter()
                .filter_map(|text| example(key.ty, text))
                .collect(),
            deprecated: renamed.or_else(|| Deprecated::instead(key.deprecated)),
        }
    }

    fn span(&self, span: &SpanDef, namespace: &Namespace, file: &mut Definitions) {
        let kind = match span.kind {
            Kind::Internal => "internal",
            Kind::Server => "server",
            Kind::Client => "client",
        };
        // A name that is a pattern names no type.
        let ty = if span.name.contains('{') {
            format!("{}.{kind}", namespace.name)
        } else {
            span.name.to_owned()
        };
        let one = |ty: String, name: &str, deprecated| Span {
            ty,
            kind,
            brief: span.brief.to_owned(),
            note: parents(span),
            stability: "stable",
            requirement_level: "recommended",
            name: Name {
                note: name.to_owned(),
            },
            attributes: self.refs(span),
            deprecated,
        };
        if let Some(was) = span.was {
            let renamed = Deprecated::renamed(was, &ty);
            file.spans
                .push(one(was.name.to_owned(), was.name, Some(renamed)));
        }
        let instead = Deprecated::instead(span.deprecated);
        file.spans.push(one(ty, span.name, instead));
    }

    /// Everything that a span may carry, each once.
    fn refs(&self, span: &SpanDef) -> Vec<Ref> {
        let mut refs = Vec::new();
        for (key, presence) in span.attributes {
            refs.push(Ref::new(key.name, level(key, *presence)));
            if let Some(was) = key.was {
                let note = format!("The name of `{}` before {}.", key.name, was.since);
                refs.push(Ref::new(was.name, RECOMMENDED).note(note));
            }
        }
        for (key, _) in span.attributes {
            let Some(twin) = key.twin else { continue };
            let (level, form) = match twin.form {
                TwinForm::Same => (RECOMMENDED, "the same value"),
                TwinForm::WhenTrue => (
                    Level::When {
                        conditionally_required: format!("When `{}` is true.", key.name),
                    },
                    "written only when true",
                ),
                TwinForm::ListOfOne => (RECOMMENDED, "as a list of one"),
            };
            let note = format!("OpenTelemetry's name for `{}`: {form}.", key.name);
            refs.push(Ref::new(twin.key.name, level).note(note));
        }
        for (key, value) in span.twins {
            let mut fixed =
                Ref::new(key.name, RECOMMENDED).note(format!("Always `{value}` on this span."));
            fixed.examples = example(key.ty, value).into_iter().collect();
            refs.push(fixed);
        }
        // Any span may fail.
        if self.schema.key(ERROR_TYPE.name()).is_some() {
            let conditionally_required = "When the span failed.".to_owned();
            refs.push(Ref::new(
                ERROR_TYPE.name(),
                Level::When {
                    conditionally_required,
                },
            ));
        }
        if self.schema.key(ERROR_MESSAGE.name()).is_some() {
            let recommended = "When the span failed.".to_owned();
            refs.push(Ref::new(ERROR_MESSAGE.name(), Level::If { recommended }));
        }
        let mut seen = BTreeSet::new();
        refs.retain(|one| seen.insert(one.key.clone()));
        refs
    }
}

fn level(key: &KeyDef, presence: Presence) -> Level {
    match presence {
        Presence::Start | Presence::End => REQUIRED,
        Presence::Optional if key.content => Level::Choice {
            opt_in: "As the capture policy says.".to_owned(),
        },
        Presence::Optional => Level::If {
            recommended: "When it applies.".to_owned(),
        },
    }
}

/// Where a span stands, in words.
fn parents(span: &SpanDef) -> String {
    let words: Vec<_> = span
        .parents
        .iter()
        .map(|parent| match parent {
            Parent::Root => "begins a trace".to_owned(),
            Parent::Server => "stands under a SERVER span of the same service".to_owned(),
            Parent::Client => "stands under the CLIENT span that called".to_owned(),
            Parent::Span(name) => format!("stands under `{name}`"),
        })
        .collect();
    if words.is_empty() {
        return String::new();
    }
    format!("It {}.", words.join(", or "))
}

fn stability(stability: Stability) -> &'static str {
    match stability {
        Stability::Stable => "stable",
        Stability::Development => "development",
    }
}

/// An example as a value of the key's type.
fn example(ty: AttributeType, text: &str) -> Option<Value> {
    match ty {
        AttributeType::Int => text.parse::<i64>().ok().map(Value::from),
        AttributeType::Double => text.parse::<f64>().ok().map(Value::from),
        AttributeType::Bool => text.parse::<bool>().ok().map(Value::from),
        AttributeType::String => Some(Value::from(text)),
        AttributeType::Strings => Some(Value::from(vec![text])),
    }
}
