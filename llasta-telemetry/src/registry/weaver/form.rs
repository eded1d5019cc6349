//! What a definition file consists of, in Weaver's words: `file_format: definition/2`.

use serde::Serialize;
use serde_json::Value;

use crate::schema::Was;

pub(super) const FILE_FORMAT: &str = "definition/2";

#[derive(Debug, Serialize)]
pub(super) struct Manifest {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) schema_url: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) dependencies: Vec<Dependency>,
}

#[derive(Debug, Serialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) schema_url: String,
    pub(super) registry_path: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Definitions {
    pub(super) file_format: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) attributes: Vec<Attribute>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) attribute_groups: Vec<Group>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) spans: Vec<Span>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) metrics: Vec<Metric>,
}

impl Definitions {
    pub(super) fn new() -> Self {
        Self {
            file_format: FILE_FORMAT,
            attributes: Vec::new(),
            attribute_groups: Vec::new(),
            spans: Vec::new(),
            metrics: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.attributes.is_empty()
            && self.attribute_groups.is_empty()
            && self.spans.is_empty()
            && self.metrics.is_empty()
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Attribute {
    pub(super) key: String,
    #[serde(rename = "type")]
    pub(super) ty: Type,
    pub(super) brief: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) note: String,
    pub(super) stability: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) examples: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deprecated: Option<Deprecated>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Type {
    Plain(&'static str),
    Members { members: Vec<Member> },
}

#[derive(Debug, Serialize)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) value: String,
    pub(super) stability: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) visibility: &'static str,
    pub(super) brief: String,
    pub(super) stability: &'static str,
    pub(super) attributes: Vec<Ref>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Ref {
    #[serde(rename = "ref")]
    pub(super) key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) requirement_level: Option<Level>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) note: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) examples: Vec<Value>,
}

impl Ref {
    pub(super) fn new(key: impl Into<String>, level: Level) -> Self {
        Self {
            key: key.into(),
            requirement_level: Some(level),
            note: String::new(),
            examples: Vec::new(),
        }
    }

    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Level {
    Basic(&'static str),
    When { conditionally_required: String },
    If { recommended: String },
    Choice { opt_in: String },
}

pub(super) const REQUIRED: Level = Level::Basic("required");
pub(super) const RECOMMENDED: Level = Level::Basic("recommended");

#[derive(Debug, Serialize)]
pub(super) struct Span {
    #[serde(rename = "type")]
    pub(super) ty: String,
    pub(super) kind: &'static str,
    pub(super) brief: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) note: String,
    pub(super) stability: &'static str,
    pub(super) requirement_level: &'static str,
    pub(super) name: Name,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) attributes: Vec<Ref>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deprecated: Option<Deprecated>,
}

#[derive(Debug, Serialize)]
pub(super) struct Name {
    pub(super) note: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) instrument: &'static str,
    pub(super) unit: String,
    pub(super) brief: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) note: String,
    pub(super) stability: &'static str,
    pub(super) requirement_level: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) attributes: Vec<Ref>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deprecated: Option<Deprecated>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub(super) enum Deprecated {
    Renamed { renamed_to: String, note: String },
    Uncategorized { note: String },
}

impl Deprecated {
    /// What should no longer be used, and what to use instead.
    pub(super) fn instead(deprecated: Option<&'static str>) -> Option<Self> {
        deprecated.map(|instead| Self::Uncategorized {
            note: instead.to_owned(),
        })
    }

    /// What goes by another name now.
    pub(super) fn renamed(was: Was, now: &str) -> Self {
        Self::Renamed {
            renamed_to: now.to_owned(),
            note: format!("Renamed in {}.", was.since),
        }
    }
}
