//! One difference.

use std::fmt;

use serde::{Serialize, Serializer};

/// One difference between what was captured and what is declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What kind of difference it is.
    pub id: FindingId,
    /// How much it matters.
    pub level: Level,
    /// Where it was found.
    pub signal: Signal,
    /// The name of the span, metric, log field or service it concerns.
    pub name: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub advice: String,
}

impl Finding {
    /// A finding of one's own, beside those of this module.
    pub fn new(
        id: FindingId,
        level: Level,
        signal: Signal,
        name: impl Into<String>,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            id,
            level,
            signal,
            name: name.into(),
            message: message.into(),
            advice: advice.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            level,
            signal,
            name,
            message,
            advice,
        } = self;
        write!(
            f,
            "{}: {} `{name}`: {message} ({id}): {advice}",
            level.name(),
            signal.name()
        )
    }
}

macro_rules! words {
    (
        $(#[$doc:meta])*
        $enum:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $enum {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $enum {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word for it, in reports and in JSON.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl fmt::Display for $enum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl Serialize for $enum {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    };
}

words! {
    /// How much a finding matters, the least first.
    Level {
        /// Worth knowing.
        Information = "information",
        /// Allowed, but it could be better.
        Improvement = "improvement",
        /// The contract is broken.
        Violation = "violation",
    }
}

words! {
    /// Where a finding was made.
    Signal {
        /// In a span.
        Span = "span",
        /// On a metrics page.
        Metric = "metric",
        /// In a log line.
        Log = "log",
        /// In a resource.
        Resource = "resource",
    }
}

words! {
    /// What kind of difference a finding is.
    FindingId {
        /// Nothing came from where something was expected.
        NothingReceived = "nothing_received",
        /// A span that a chat request has is not there.
        MissingSpan = "missing_span",
        /// A span is there that a chat request does not have, or has once.
        UnexpectedSpan = "unexpected_span",
        /// An INTERNAL span has a name in a namespace of ours that nobody declared.
        UndeclaredSpan = "undeclared_span",
        /// An attribute that is always present is not there.
        MissingAttribute = "missing_attribute",
        /// An attribute has a value of another type than its key.
        TypeMismatch = "type_mismatch",
        /// An attribute in a namespace of ours is not declared, or not for this span.
        UnknownAttribute = "unknown_attribute",
        /// An attribute is there that this span must not carry.
        ForbiddenAttribute = "forbidden_attribute",
        /// An attribute has another value than it must have.
        WrongValue = "wrong_value",
        /// A span has another name than its attributes give it.
        WrongName = "wrong_name",
        /// A span is of another kind than declared.
        WrongKind = "wrong_kind",
        /// A span stands under another one than declared.
        WrongParent = "wrong_parent",
        /// A span comes from another service than it should.
        WrongService = "wrong_service",
        /// A failure is not marked as one, or what is none is.
        WrongStatus = "wrong_status",
        /// A metric is not on the page.
        MissingMetric = "missing_metric",
        /// A metric in a namespace of ours is not declared.
        UndeclaredMetric = "undeclared_metric",
        /// A metric has another type than declared.
        WrongInstrument = "wrong_instrument",
        /// A label is not on a series.
        MissingLabel = "missing_label",
        /// A label on a series is not declared.
        UndeclaredLabel = "undeclared_label",
        /// A label has a value outside its closed set.
        UndeclaredLabelValue = "undeclared_label_value",
        /// A series of a closed label set is not there.
        MissingSeries = "missing_series",
        /// A histogram has other buckets than declared.
        WrongBuckets = "wrong_buckets",
        /// A metric is in another unit than declared.
        UnitMismatch = "unit_mismatch",
        /// Numbers that say the same thing differ.
        WrongSum = "wrong_sum",
        /// A metric does not say which trace to look at, or not in the form that is read.
        MissingExemplar = "missing_exemplar",
        /// A label, a route or another word that must have few values holds an id, an address or a
        /// sentence, or has too many values.
        HighCardinality = "high_cardinality",
        /// A span begins or ends when it cannot have.
        WrongTime = "wrong_time",
        /// A name is used that has another one now.
        DeprecatedName = "deprecated_name",
        /// A page or a line could not be read at all.
        Unreadable = "unreadable",
        /// A field that every log line has is not there.
        MissingLogField = "missing_log_field",
        /// A field of a log line is not written as it must be.
        MalformedLogField = "malformed_log_field",
        /// A line that every service writes is not there.
        MissingLogLine = "missing_log_line",
        /// No access line bears the ids of a request's span.
        MissingAccessLine = "missing_access_line",
        /// A request has more than one access line.
        DuplicateAccessLine = "duplicate_access_line",
    }
}

/// Findings being collected, each once.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn violation(
        &mut self,
        id: FindingId,
        signal: Signal,
        name: &str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(
            id,
            Level::Violation,
            signal,
            name,
            message.into(),
            advice.into(),
        );
    }

    pub(super) fn improvement(
        &mut self,
        id: FindingId,
        signal: Signal,
        name: &str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(
            id,
            Level::Improvement,
            signal,
            name,
            message.into(),
            advice.into(),
        );
    }

    pub(super) fn information(
        &mut self,
        id: FindingId,
        signal: Signal,
        name: &str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(
            id,
            Level::Information,
            signal,
            name,
            message.into(),
            advice.into(),
        );
    }

    /// Those that say something new: not what is known of the same name already.
    pub(super) fn absorb(&mut self, more: Self) {
        let known = self.0.len();
        for finding in more.0 {
            let same = |known: &Finding| {
                (known.id, known.signal, &known.name) == (finding.id, finding.signal, &finding.name)
            };
            if !self.0[..known].iter().any(same) {
                self.0.push(finding);
            }
        }
    }

    /// The most frequent case.
    pub(super) fn span(
        &mut self,
        id: FindingId,
        name: &str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.violation(id, Signal::Span, name, message, advice);
    }

    pub(super) fn into_vec(self) -> Vec<Finding> {
        self.0
    }

    fn add(
        &mut self,
        id: FindingId,
        level: Level,
        signal: Signal,
        name: &str,
        message: String,
        advice: String,
    ) {
        let finding = Finding {
            id,
            level,
            signal,
            name: name.to_owned(),
            message,
            advice,
        };
        // Log lines are many, and each breaks the same rule with another value.
        let known = |known: &Finding| match signal {
            Signal::Log => (known.id, &known.name) == (id, &finding.name),
            _ => *known == finding,
        };
        if !self.0.iter().any(known) {
            self.0.push(finding);
        }
    }
}
