//! A schema as data: what its JSON form consists of.
//!
//! The fields stand in the order in which they are written. What is usually absent is left out.

use serde::{Deserialize, Serialize};

use super::place;
use crate::schema::{
    AttributeType, Instrument, KeyDef, Kind, LabelDef, LabelValues, MetricDef, Namespace, Owner,
    Parent, Presence, Schema, SpanDef, Stability, TwinDef, TwinForm, Was,
};

/// The form that this crate writes and reads. It changes when an older reader would misread it.
pub(super) const FORMAT: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SchemaData {
    pub(super) format: u32,
    /// The greatest version of the crates that declare something of their own.
    pub(super) version: String,
    pub(super) namespaces: Vec<NamespaceData>,
    /// Keys that spans or twins name, of declarations that are not part of the schema.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) borrowed: Vec<KeyData>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamespaceData {
    pub(super) name: String,
    pub(super) brief: String,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) foreign: bool,
    pub(super) owner: OwnerData,
    pub(super) version: String,
    pub(super) declared_at: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) keys: Vec<KeyData>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) spans: Vec<SpanData>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) metrics: Vec<MetricData>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OwnerData {
    Anyone,
    Everyone,
    Service(String),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyData {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) ty: TypeData,
    pub(super) brief: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unit: Option<String>,
    pub(super) stability: StabilityData,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) content: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) twin: Option<TwinData>,
    pub(super) examples: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) was: Option<WasData>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deprecated: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum TypeData {
    #[serde(rename = "int")]
    Int,
    #[serde(rename = "double")]
    Double,
    #[serde(rename = "string")]
    String,
    #[serde(rename = "boolean")]
    Bool,
    #[serde(rename = "string[]")]
    Strings,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StabilityData {
    Stable,
    Development,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TwinData {
    pub(super) key: String,
    pub(super) form: FormData,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FormData {
    Same,
    WhenTrue,
    ListOfOne,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WasData {
    pub(super) name: String,
    pub(super) since: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SpanData {
    pub(super) name: String,
    pub(super) kind: KindData,
    pub(super) brief: String,
    /// Empty when anything goes.
    pub(super) parents: Vec<ParentData>,
    pub(super) attributes: Vec<AttributeData>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) twins: Vec<FixedData>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) was: Option<WasData>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deprecated: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum KindData {
    Internal,
    Server,
    Client,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ParentData {
    Root,
    Server,
    Client,
    Span(String),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AttributeData {
    pub(super) key: String,
    pub(super) presence: PresenceData,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PresenceData {
    Start,
    End,
    Optional,
}

/// An attribute of fixed value.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FixedData {
    pub(super) key: String,
    pub(super) value: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MetricData {
    pub(super) name: String,
    pub(super) instrument: InstrumentData,
    pub(super) brief: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unit: Option<String>,
    pub(super) labels: Vec<LabelData>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) buckets: Vec<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) was: Option<WasData>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deprecated: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum InstrumentData {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LabelData {
    pub(super) name: String,
    pub(super) values: ValuesData,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) was: Option<WasData>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ValuesData {
    Closed(Vec<String>),
    Text,
}

/// Two enums whose variants have the same names.
macro_rules! same {
    ($($def:ident = $data:ident { $($variant:ident),* })*) => {
        $(
            impl From<$def> for $data {
                fn from(value: $def) -> Self {
                    match value {
                        $($def::$variant => Self::$variant,)*
                    }
                }
            }

            impl From<$data> for $def {
                fn from(value: $data) -> Self {
                    match value {
                        $($data::$variant => Self::$variant,)*
                    }
                }
            }
        )*
    };
}

same! {
    AttributeType = TypeData { Int, Double, String, Bool, Strings }
    Stability = StabilityData { Stable, Development }
    TwinForm = FormData { Same, WhenTrue, ListOfOne }
    Kind = KindData { Internal, Server, Client }
    Presence = PresenceData { Start, End, Optional }
    Instrument = InstrumentData { Counter, Gauge, Histogram }
}

impl SchemaData {
    pub(super) fn of(schema: &Schema) -> Self {
        Self {
            format: FORMAT,
            version: super::version(schema).to_owned(),
            namespaces: schema
                .namespaces()
                .iter()
                .map(|namespace| NamespaceData::of(schema, namespace))
                .collect(),
            borrowed: super::borrowed(schema)
                .into_iter()
                .map(KeyData::of)
                .collect(),
        }
    }
}

impl NamespaceData {
    fn of(schema: &Schema, namespace: &Namespace) -> Self {
        Self {
            name: namespace.name.to_owned(),
            brief: namespace.brief.to_owned(),
            foreign: namespace.foreign,
            owner: match namespace.owner {
                Owner::Anyone => OwnerData::Anyone,
                Owner::Everyone => OwnerData::Everyone,
                Owner::Service(name) => OwnerData::Service(name.to_owned()),
            },
            version: namespace.version.to_owned(),
            declared_at: place(namespace.declared_at).to_owned(),
            keys: namespace.keys.iter().map(|key| KeyData::of(key)).collect(),
            spans: super::spans_of(schema, namespace)
                .into_iter()
                .map(SpanData::of)
                .collect(),
            metrics: namespace
                .metrics
                .iter()
                .copied()
                .flatten()
                .map(MetricData::of)
                .collect(),
        }
    }
}

impl KeyData {
    fn of(key: &KeyDef) -> Self {
        Self {
            name: key.name.to_owned(),
            ty: key.ty.into(),
            brief: key.brief.to_owned(),
            unit: key.unit.map(str::to_owned),
            stability: key.stability.into(),
            content: key.content,
            twin: key.twin.map(TwinData::of),
            examples: texts(key.examples),
            was: key.was.map(WasData::of),
            deprecated: key.deprecated.map(str::to_owned),
        }
    }
}

impl TwinData {
    fn of(twin: &TwinDef) -> Self {
        Self {
            key: twin.key.name.to_owned(),
            form: twin.form.into(),
        }
    }
}

impl WasData {
    fn of(was: Was) -> Self {
        Self {
            name: was.name.to_owned(),
            since: was.since.to_owned(),
        }
    }
}

impl SpanData {
    fn of(span: &SpanDef) -> Self {
        Self {
            name: span.name.to_owned(),
            kind: span.kind.into(),
            brief: span.brief.to_owned(),
            parents: span
                .parents
                .iter()
                .map(|parent| match parent {
                    Parent::Root => ParentData::Root,
                    Parent::Server => ParentData::Server,
                    Parent::Client => ParentData::Client,
                    Parent::Span(name) => ParentData::Span((*name).to_owned()),
                })
                .collect(),
            attributes: span
                .attributes
                .iter()
                .map(|(key, presence)| AttributeData {
                    key: key.name.to_owned(),
                    presence: (*presence).into(),
                })
                .collect(),
            twins: span
                .twins
                .iter()
                .map(|(key, value)| FixedData {
                    key: key.name.to_owned(),
                    value: (*value).to_owned(),
                })
                .collect(),
            was: span.was.map(WasData::of),
            deprecated: span.deprecated.map(str::to_owned),
        }
    }
}

impl MetricData {
    fn of(metric: &MetricDef) -> Self {
        Self {
            name: metric.name.to_owned(),
            instrument: metric.instrument.into(),
            brief: metric.brief.to_owned(),
            unit: metric.unit.map(str::to_owned),
            labels: metric.labels.iter().map(LabelData::of).collect(),
            buckets: metric.buckets.to_vec(),
            was: metric.was.map(WasData::of),
            deprecated: metric.deprecated.map(str::to_owned),
        }
    }
}

impl LabelData {
    fn of(label: &LabelDef) -> Self {
        Self {
            name: label.name.to_owned(),
            values: match label.values {
                LabelValues::Closed(values) => ValuesData::Closed(texts(values)),
                LabelValues::Text => ValuesData::Text,
            },
            was: label.was.map(WasData::of),
        }
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes the field by reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}
