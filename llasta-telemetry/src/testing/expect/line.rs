//! What is expected of a log line.

use serde_json::{Map, Value};

use crate::testing::CapturedSpan;

/// The log lines of one message that meet every condition so far. There is always at least one.
#[derive(Debug, Clone)]
pub struct ExpectedLine {
    left: Vec<Map<String, Value>>,
    /// The sentence so far.
    said: String,
}

impl ExpectedLine {
    #[track_caller]
    pub(super) fn new(lines: &[String], message: &str) -> Self {
        let objects: Vec<Map<String, Value>> = lines
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let says = |line: &&Map<String, Value>| text(line, "message") == Some(message);
        let left: Vec<_> = objects.iter().filter(says).cloned().collect();
        let said = format!("a line {message:?}");
        if left.is_empty() {
            let messages: Vec<_> = objects
                .iter()
                .filter_map(|line| text(line, "message"))
                .collect();
            panic!("expected {said}, but the lines say {messages:?}");
        }
        Self { left, said }
    }

    /// It has this field with this value.
    #[track_caller]
    pub fn with(self, field: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        self.which(&format!("with {field}={value}"), field, |other| {
            other == Some(&value)
        })
    }

    /// It does not have this field.
    #[track_caller]
    pub fn without(self, field: &str) -> Self {
        self.which(&format!("without {field}"), field, |other| other.is_none())
    }

    /// It is of this level, such as `WARN`.
    #[track_caller]
    pub fn at_level(self, level: &str) -> Self {
        self.with("level", level)
    }

    /// It was written in this span: it bears its ids.
    #[track_caller]
    pub fn in_span(self, span: &CapturedSpan) -> Self {
        self.with("trace_id", span.trace_id.as_str())
            .with("span_id", span.span_id.as_str())
    }

    /// There is exactly one such line: this one.
    ///
    /// # Panics
    ///
    /// When there are more.
    #[track_caller]
    pub fn once(mut self) -> Map<String, Value> {
        assert!(
            self.left.len() == 1,
            "expected {} once, but there are {}",
            self.said,
            self.left.len()
        );
        self.left.remove(0)
    }

    #[track_caller]
    fn which(
        mut self,
        condition: &str,
        field: &str,
        holds: impl Fn(Option<&Value>) -> bool,
    ) -> Self {
        let instead: Vec<_> = self
            .left
            .iter()
            .map(|line| match line.get(field) {
                Some(value) => format!("{field}={value}"),
                None => format!("no {field}"),
            })
            .collect();
        self.left.retain(|line| holds(line.get(field)));
        assert!(
            !self.left.is_empty(),
            "expected {} {condition}, but it has {}",
            self.said,
            instead.join(", another has ")
        );
        self.said = format!("{} {condition}", self.said);
        self
    }
}

fn text<'a>(line: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    line.get(field)?.as_str()
}
