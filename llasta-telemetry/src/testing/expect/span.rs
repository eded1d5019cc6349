//! What is expected of a span.

use std::time::Duration;

use crate::schema::{Kind, http};
use crate::testing::{AttributeValue, CapturedSpan};

/// The spans of one name that meet every condition so far. There is always at least one.
#[derive(Debug, Clone)]
pub struct ExpectedSpan {
    all: Vec<CapturedSpan>,
    /// Where those are that are left.
    left: Vec<usize>,
    /// The sentence so far.
    said: String,
}

impl ExpectedSpan {
    #[track_caller]
    pub(super) fn new(all: &[CapturedSpan], name: &str) -> Self {
        let left: Vec<_> = (0..all.len()).filter(|at| all[*at].name == name).collect();
        let said = format!("a span `{name}`");
        if left.is_empty() {
            let mut names: Vec<_> = all.iter().map(|span| span.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            panic!("expected {said}, but there are only {names:?}");
        }
        Self {
            all: all.to_vec(),
            left,
            said,
        }
    }

    /// It is of this kind.
    #[track_caller]
    pub fn of_kind(self, kind: Kind) -> Self {
        self.which(
            &format!("of kind {}", kind.name()),
            |span, _| span.kind == kind.name(),
            |span, _| format!("of kind {}", span.kind),
        )
    }

    /// It comes from this service.
    #[track_caller]
    pub fn from_service(self, service: &str) -> Self {
        self.which(
            &format!("from the service `{service}`"),
            |span, _| span.service == service,
            |span, _| format!("from the service `{}`", span.service),
        )
    }

    /// It stands under a span of this name.
    #[track_caller]
    pub fn under(self, parent: &str) -> Self {
        self.which(
            &format!("under `{parent}`"),
            |span, all| above(span, all).is_some_and(|above| above.name == parent),
            |span, all| match (above(span, all), &span.parent_span_id) {
                (Some(above), _) => format!("under `{}`", above.name),
                (None, Some(_)) => "under a span that was not captured".to_owned(),
                (None, None) => "under nothing".to_owned(),
            },
        )
    }

    /// It begins its trace.
    #[track_caller]
    pub fn at_the_root(self) -> Self {
        self.which(
            "at the root",
            |span, _| span.parent_span_id.is_none(),
            |_, _| "under another span".to_owned(),
        )
    }

    /// It belongs to this trace: 32 hex digits.
    #[track_caller]
    pub fn in_trace(self, trace_id: &str) -> Self {
        self.which(
            &format!("in the trace {trace_id}"),
            |span, _| span.trace_id == trace_id,
            |span, _| format!("in the trace {}", span.trace_id),
        )
    }

    /// It has this attribute with this value, of this very type.
    #[track_caller]
    pub fn with(self, attribute: &str, value: impl Into<AttributeValue>) -> Self {
        let value = value.into();
        self.which(
            &format!("with `{attribute}` = {value}"),
            |span, _| span.attributes.get(attribute) == Some(&value),
            |span, _| match span.attributes.get(attribute) {
                Some(other) => {
                    format!("with `{attribute}` = {other} ({})", other.type_name())
                }
                None => format!("without `{attribute}`"),
            },
        )
    }

    /// It has this attribute, whatever its value.
    #[track_caller]
    pub fn with_some(self, attribute: &str) -> Self {
        self.which(
            &format!("with some `{attribute}`"),
            |span, _| span.attributes.contains_key(attribute),
            |_, _| format!("without `{attribute}`"),
        )
    }

    /// It does not have this attribute.
    #[track_caller]
    pub fn without(self, attribute: &str) -> Self {
        self.which(
            &format!("without `{attribute}`"),
            |span, _| !span.attributes.contains_key(attribute),
            |span, _| match span.attributes.get(attribute) {
                Some(value) => format!("with `{attribute}` = {value}"),
                None => format!("without `{attribute}`"),
            },
        )
    }

    /// Its status is Error, and `error.type` is this word.
    #[track_caller]
    pub fn failed_with(self, error_type: &str) -> Self {
        let key = http::ERROR_TYPE.name();
        self.which(
            &format!("failed with `{error_type}`"),
            |span, _| span.status == "error" && span.text(key) == Some(error_type),
            |span, _| match span.text(key) {
                Some(other) => format!("with the status {} and `{other}`", span.status),
                None => format!("with the status {} and no `{key}`", span.status),
            },
        )
    }

    /// It has not failed.
    #[track_caller]
    pub fn that_succeeded(self) -> Self {
        self.which(
            "that succeeded",
            |span, _| span.status != "error",
            |span, _| {
                let why = span.text(http::ERROR_TYPE.name()).unwrap_or("no reason");
                format!("failed with {why}")
            },
        )
    }

    /// It lasted exactly this long: with a [`StillClock`](crate::testing::StillClock), time is known.
    #[track_caller]
    pub fn lasting(self, time: Duration) -> Self {
        self.which(
            &format!("lasting {time:?}"),
            |span, _| lasted(span) == time,
            |span, _| format!("lasting {:?}", lasted(span)),
        )
    }

    /// There is exactly one such span: this one.
    ///
    /// # Panics
    ///
    /// When there are more.
    #[track_caller]
    pub fn once(self) -> CapturedSpan {
        self.times(1).remove(0)
    }

    /// There are exactly so many such spans, in the order they ended.
    ///
    /// # Panics
    ///
    /// When there are more or fewer.
    #[track_caller]
    pub fn times(self, times: usize) -> Vec<CapturedSpan> {
        assert!(
            self.left.len() == times,
            "expected {} {times} times, but there are {}",
            self.said,
            self.left.len()
        );
        self.left.iter().map(|at| self.all[*at].clone()).collect()
    }

    /// Keeps those for which it holds.
    #[track_caller]
    fn which(
        mut self,
        condition: &str,
        holds: impl Fn(&CapturedSpan, &[CapturedSpan]) -> bool,
        instead: impl Fn(&CapturedSpan, &[CapturedSpan]) -> String,
    ) -> Self {
        let all = &self.all;
        let instead: Vec<_> = self.left.iter().map(|at| instead(&all[*at], all)).collect();
        self.left.retain(|at| holds(&all[*at], all));
        assert!(
            !self.left.is_empty(),
            "expected {} {condition}, but it is {}",
            self.said,
            instead.join(", another is ")
        );
        self.said = format!("{} {condition}", self.said);
        self
    }
}

fn above<'a>(span: &CapturedSpan, all: &'a [CapturedSpan]) -> Option<&'a CapturedSpan> {
    let parent = span.parent_span_id.as_ref()?;
    all.iter()
        .find(|other| other.trace_id == span.trace_id && other.span_id == *parent)
}

fn lasted(span: &CapturedSpan) -> Duration {
    Duration::from_nanos(span.end_unix_nano.saturating_sub(span.start_unix_nano))
}
