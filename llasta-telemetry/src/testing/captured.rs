//! One span as it was received, whichever way it came.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry::{Array, Value};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1 as otlp;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::Value as Json;

use crate::schema::{AttributeType, resource};

/// A span that has ended.
///
/// As JSON it has exactly `trace_id`, `span_id`, `parent_span_id` (or null), `name`, `kind`,
/// `service`, `start_unix_nano`, `duration_ms`, `status` and `attributes`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CapturedSpan {
    /// Its trace: 32 hex digits.
    pub trace_id: String,
    /// The span itself: 16 hex digits.
    pub span_id: String,
    /// What it stands under; `None` when it begins the trace.
    pub parent_span_id: Option<String>,
    /// Its name.
    pub name: String,
    /// `SERVER`, `CLIENT`, `INTERNAL`, `PRODUCER`, `CONSUMER` or `UNSPECIFIED`.
    pub kind: &'static str,
    /// The resource's `service.name`; empty when it has none.
    pub service: String,
    /// The name of the instrumentation scope.
    pub scope: String,
    /// Its start, in nanoseconds since 1970.
    pub start_unix_nano: u64,
    /// Its end, in nanoseconds since 1970.
    pub end_unix_nano: u64,
    /// `unset`, `ok` or `error`.
    pub status: &'static str,
    /// What goes with the status `error`.
    pub status_message: String,
    /// Its attributes.
    pub attributes: BTreeMap<String, AttributeValue>,
    /// The attributes of the resource.
    pub resource: BTreeMap<String, AttributeValue>,
}

impl CapturedSpan {
    /// A span of the SDK's, as the given resource says it.
    pub fn from_data(span: &SpanData, resource: &Resource) -> Self {
        let (status, status_message) = match &span.status {
            Status::Unset => ("unset", String::new()),
            Status::Ok => ("ok", String::new()),
            Status::Error { description } => ("error", description.to_string()),
        };
        let resource = resource
            .iter()
            .map(|(key, value)| (key.to_string(), AttributeValue::from(value)))
            .collect();
        Self {
            trace_id: span.span_context.trace_id().to_string(),
            span_id: span.span_context.span_id().to_string(),
            parent_span_id: (span.parent_span_id != SpanId::INVALID)
                .then(|| span.parent_span_id.to_string()),
            name: span.name.to_string(),
            kind: match span.span_kind {
                SpanKind::Server => "SERVER",
                SpanKind::Client => "CLIENT",
                SpanKind::Internal => "INTERNAL",
                SpanKind::Producer => "PRODUCER",
                SpanKind::Consumer => "CONSUMER",
            },
            service: service(&resource),
            scope: span.instrumentation_scope.name().to_owned(),
            start_unix_nano: nanos(span.start_time),
            end_unix_nano: nanos(span.end_time),
            status,
            status_message,
            attributes: span
                .attributes
                .iter()
                .map(|pair| (pair.key.to_string(), AttributeValue::from(&pair.value)))
                .collect(),
            resource,
        }
    }

    /// The spans of one resource, as they came over OTLP.
    pub(super) fn from_otlp(spans: &otlp::ResourceSpans) -> Vec<Self> {
        let resource = spans
            .resource
            .as_ref()
            .map(|resource| attributes(&resource.attributes))
            .unwrap_or_default();
        let service = service(&resource);
        let one = |scope: &str, span: &otlp::Span| {
            let status = span.status.as_ref();
            Self {
                trace_id: hex(&span.trace_id),
                span_id: hex(&span.span_id),
                parent_span_id: (!span.parent_span_id.is_empty())
                    .then(|| hex(&span.parent_span_id)),
                name: span.name.clone(),
                kind: match span.kind() {
                    otlp::span::SpanKind::Server => "SERVER",
                    otlp::span::SpanKind::Client => "CLIENT",
                    otlp::span::SpanKind::Internal => "INTERNAL",
                    otlp::span::SpanKind::Producer => "PRODUCER",
                    otlp::span::SpanKind::Consumer => "CONSUMER",
                    otlp::span::SpanKind::Unspecified => "UNSPECIFIED",
                },
                service: service.clone(),
                scope: scope.to_owned(),
                start_unix_nano: span.start_time_unix_nano,
                end_unix_nano: span.end_time_unix_nano,
                status: match status.map_or(otlp::status::StatusCode::Unset, otlp::Status::code) {
                    otlp::status::StatusCode::Unset => "unset",
                    otlp::status::StatusCode::Ok => "ok",
                    otlp::status::StatusCode::Error => "error",
                },
                status_message: status
                    .map(|status| status.message.clone())
                    .unwrap_or_default(),
                attributes: attributes(&span.attributes),
                resource: resource.clone(),
            }
        };
        spans
            .scope_spans
            .iter()
            .flat_map(|group| {
                let scope = group.scope.as_ref().map_or("", |scope| scope.name.as_str());
                group.spans.iter().map(move |span| one(scope, span))
            })
            .collect()
    }

    /// How long it lasted, in milliseconds.
    pub fn duration_ms(&self) -> f64 {
        self.end_unix_nano.saturating_sub(self.start_unix_nano) as f64 / 1e6
    }

    /// The attribute of this name, when it is an int.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.attributes.get(name)? {
            AttributeValue::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The attribute of this name, when it is a double.
    pub fn double(&self, name: &str) -> Option<f64> {
        match self.attributes.get(name)? {
            AttributeValue::Double(value) => Some(*value),
            _ => None,
        }
    }

    /// The attribute of this name, when it is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.attributes.get(name)? {
            AttributeValue::String(value) => Some(value),
            _ => None,
        }
    }

    /// The attribute of this name, when it is true or false.
    pub fn bool(&self, name: &str) -> Option<bool> {
        match self.attributes.get(name)? {
            AttributeValue::Bool(value) => Some(*value),
            _ => None,
        }
    }
}

impl Serialize for CapturedSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut span = serializer.serialize_struct("CapturedSpan", 10)?;
        span.serialize_field("trace_id", &self.trace_id)?;
        span.serialize_field("span_id", &self.span_id)?;
        span.serialize_field("parent_span_id", &self.parent_span_id)?;
        span.serialize_field("name", &self.name)?;
        span.serialize_field("kind", &self.kind)?;
        span.serialize_field("service", &self.service)?;
        span.serialize_field("start_unix_nano", &self.start_unix_nano)?;
        span.serialize_field("duration_ms", &self.duration_ms())?;
        span.serialize_field("status", &self.status)?;
        span.serialize_field("attributes", &self.attributes)?;
        span.end()
    }
}

/// The value of an attribute. As JSON it is the plain value.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum AttributeValue {
    /// A signed 64-bit integer.
    Int(i64),
    /// A 64-bit float.
    Double(f64),
    /// Text.
    String(String),
    /// True or false.
    Bool(bool),
    /// A list of texts.
    Strings(Vec<String>),
    /// What no attribute of a schema can be: other lists, maps, bytes and nothing at all.
    Other(Json),
}

impl AttributeValue {
    /// The type a schema would give it; `None` where no schema has such a type.
    pub fn attribute_type(&self) -> Option<AttributeType> {
        Some(match self {
            Self::Int(_) => AttributeType::Int,
            Self::Double(_) => AttributeType::Double,
            Self::String(_) => AttributeType::String,
            Self::Bool(_) => AttributeType::Bool,
            Self::Strings(_) => AttributeType::Strings,
            Self::Other(_) => return None,
        })
    }

    /// The name of its type, for messages.
    pub fn type_name(&self) -> &'static str {
        self.attribute_type()
            .map_or("another type", AttributeType::name)
    }
}

impl std::fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "{value:?}"),
            Self::String(value) => write!(f, "{value:?}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Strings(values) => write!(f, "{values:?}"),
            Self::Other(value) => write!(f, "{value}"),
        }
    }
}

impl From<&Value> for AttributeValue {
    fn from(value: &Value) -> Self {
        match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::I64(value) => Self::Int(*value),
            Value::F64(value) => Self::Double(*value),
            Value::String(value) => Self::String(value.to_string()),
            Value::Array(Array::String(values)) => {
                Self::Strings(values.iter().map(ToString::to_string).collect())
            }
            Value::Array(Array::Bool(values)) => Self::Other(Json::from(values.clone())),
            Value::Array(Array::I64(values)) => Self::Other(Json::from(values.clone())),
            Value::Array(Array::F64(values)) => Self::Other(Json::from(values.clone())),
            other => Self::Other(Json::from(other.to_string())),
        }
    }
}

impl From<Option<&any_value::Value>> for AttributeValue {
    fn from(value: Option<&any_value::Value>) -> Self {
        match value {
            Some(any_value::Value::BoolValue(value)) => Self::Bool(*value),
            Some(any_value::Value::IntValue(value)) => Self::Int(*value),
            Some(any_value::Value::DoubleValue(value)) => Self::Double(*value),
            Some(any_value::Value::StringValue(value)) => Self::String(value.clone()),
            Some(any_value::Value::ArrayValue(list)) => {
                let values: Vec<_> = list.values.iter().map(inner).collect();
                let texts: Option<Vec<_>> = values
                    .iter()
                    .map(|value| match value {
                        Self::String(text) => Some(text.clone()),
                        _ => None,
                    })
                    .collect();
                match texts {
                    Some(texts) => Self::Strings(texts),
                    None => Self::Other(values.iter().map(json).collect()),
                }
            }
            Some(any_value::Value::KvlistValue(map)) => Self::Other(
                map.values
                    .iter()
                    .map(|pair| (pair.key.clone(), json(&of(pair))))
                    .collect(),
            ),
            Some(any_value::Value::BytesValue(bytes)) => Self::Other(Json::from(hex(bytes))),
            // An index into a dictionary that only profiles have.
            Some(any_value::Value::StringValueStrindex(_)) | None => Self::Other(Json::Null),
        }
    }
}

pub(super) fn inner(value: &AnyValue) -> AttributeValue {
    AttributeValue::from(value.value.as_ref())
}

fn of(pair: &KeyValue) -> AttributeValue {
    AttributeValue::from(pair.value.as_ref().and_then(|value| value.value.as_ref()))
}

pub(super) fn json(value: &AttributeValue) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}

pub(super) fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, AttributeValue> {
    pairs
        .iter()
        .map(|pair| (pair.key.clone(), of(pair)))
        .collect()
}

pub(super) fn service(resource: &BTreeMap<String, AttributeValue>) -> String {
    match resource.get(resource::SERVICE_NAME.name()) {
        Some(AttributeValue::String(name)) => name.clone(),
        _ => String::new(),
    }
}

fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut digits = vec![0; bytes.len() * 2];
    crate::context::w3c::write_hex(bytes, &mut digits);
    digits.into_iter().map(char::from).collect()
}
