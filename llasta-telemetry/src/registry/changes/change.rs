//! One difference between two schemas.

use std::fmt;

use serde::Serialize;

/// What differs between two schemas, and what that means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// What it concerns.
    pub subject: Subject,
    /// Its name, in the newer schema where it is in both.
    pub name: String,
    /// What happened to it.
    pub id: ChangeId,
    /// Whether a query, a dashboard or an alert can stop working.
    pub breaking: bool,
    /// Whether it breaks without having been declared: no deprecation before, no `was`.
    pub undeclared: bool,
    /// What is different, in one sentence.
    pub message: String,
    /// What to declare instead, or what to tell whoever is concerned; empty when it is nothing.
    pub advice: String,
    /// Where in the `Schema` part of a release's CHANGELOG it belongs.
    pub section: Section,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = match (self.undeclared, self.breaking) {
            (true, _) => "breaking, undeclared",
            (false, true) => "breaking",
            (false, false) => "compatible",
        };
        let Self { subject, name, .. } = self;
        write!(f, "{weight}: the {subject} `{name}` {}", self.message)?;
        if !self.advice.is_empty() {
            write!(f, ": {}", self.advice)?;
        }
        write!(f, " (CHANGELOG: {})", self.section)
    }
}

/// What a change concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A declaration as a whole.
    Namespace,
    /// An attribute.
    Key,
    /// A span.
    Span,
    /// A metric or one of its labels.
    Metric,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Namespace => "namespace",
            Self::Key => "attribute",
            Self::Span => "span",
            Self::Metric => "metric",
        })
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChangeId {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It has another name, and says which one it had.
    Renamed,
    /// The name it had before is no longer emitted.
    OldNameEnded,
    /// The name it had before should no longer be emitted.
    Overdue,
    /// It should no longer be used.
    Deprecated,
    /// It may be used again.
    Reinstated,
    /// Its values are of another type.
    Retyped,
    /// Its unit is another.
    UnitChanged,
    /// Its description is another.
    Reworded,
    /// The firmness of its promise is another.
    StabilityChanged,
    /// The capture policy begins or ceases to apply.
    ContentChanged,
    /// OpenTelemetry's name for it is another.
    TwinChanged,
    /// The span's kind is another.
    KindChanged,
    /// The span may stand elsewhere.
    ParentsChanged,
    /// The span has one attribute more.
    AttributeAdded,
    /// The span has one attribute less.
    AttributeRemoved,
    /// Whether the attribute is always there has changed.
    RequirementChanged,
    /// An attribute of fixed value is another.
    FixedChanged,
    /// The metric is recorded with another instrument.
    InstrumentChanged,
    /// The metric has one label more.
    LabelAdded,
    /// The metric has one label less.
    LabelRemoved,
    /// A label has another name, and says which one it had.
    LabelRenamed,
    /// A label takes other values.
    LabelValuesChanged,
    /// The histogram's buckets are others.
    BucketsChanged,
    /// The metrics are another service's.
    OwnerChanged,
}

/// Where in a CHANGELOG a change belongs: under `Schema`, as one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// New names.
    Added,
    /// Names that are there as before, and say something else.
    Changed,
    /// Names that will go.
    Deprecated,
    /// Names that are gone.
    Removed,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "Schema, Added",
            Self::Changed => "Schema, Changed",
            Self::Deprecated => "Schema, Deprecated",
            Self::Removed => "Schema, Removed",
        })
    }
}

/// Changes of one subject, as they are found.
pub(super) struct Changes {
    found: Vec<Change>,
    subject: Subject,
    name: String,
}

impl Changes {
    pub(super) fn new() -> Self {
        Self {
            found: Vec::new(),
            subject: Subject::Namespace,
            name: String::new(),
        }
    }

    /// What comes now concerns this.
    pub(super) fn about(&mut self, subject: Subject, name: &str) {
        self.subject = subject;
        name.clone_into(&mut self.name);
    }

    fn push(&mut self, id: ChangeId, section: Section, message: impl Into<String>) -> &mut Change {
        self.found.push(Change {
            subject: self.subject,
            name: self.name.clone(),
            id,
            breaking: false,
            undeclared: false,
            message: message.into(),
            advice: String::new(),
            section,
        });
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    /// Nothing that works now stops working.
    pub(super) fn compatible(
        &mut self,
        id: ChangeId,
        section: Section,
        message: impl Into<String>,
        advice: &str,
    ) {
        advice.clone_into(&mut self.push(id, section, message).advice);
    }

    /// It breaks something, and was declared to.
    pub(super) fn breaking(
        &mut self,
        id: ChangeId,
        section: Section,
        message: impl Into<String>,
        advice: &str,
    ) {
        let change = self.push(id, section, message);
        change.breaking = true;
        advice.clone_into(&mut change.advice);
    }

    /// It breaks something, and nobody was told.
    pub(super) fn undeclared(
        &mut self,
        id: ChangeId,
        section: Section,
        message: impl Into<String>,
        advice: &str,
    ) {
        self.breaking(id, section, message, advice);
        if let Some(change) = self.found.last_mut() {
            change.undeclared = true;
        }
    }

    /// The heaviest first, then by subject and name, then as they were found.
    pub(super) fn into_vec(mut self) -> Vec<Change> {
        self.found.sort_by(|one, other| {
            let weight = |change: &Change| (!change.undeclared, !change.breaking, change.subject);
            (weight(one), &one.name).cmp(&(weight(other), &other.name))
        });
        self.found
    }
}
