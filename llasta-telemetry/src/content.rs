//! Floor 2: what of people's words may leave the service.
//!
//! One policy governs all content. The queries (`rag.query`, `faiss.query`) carry their first 100
//! characters by default, because the contract lists them. Prompts and completions stay inside
//! unless `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` lets them out. Content never
//! reaches a metric label.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::schema::{KeyDef, llm, otel};

/// How much of a text is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capture {
    /// Nothing.
    Off,
    /// Its SHA-256 and its length in Unicode scalar values: `sha256:<64 hex digits> length:<n>`.
    Hash,
    /// Its first `n` Unicode scalar values.
    Truncate(usize),
    /// All of it.
    Full,
}

impl FromStr for Capture {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let number = |text: &str| {
            text.strip_prefix("truncate(")?
                .strip_suffix(')')?
                .trim()
                .parse()
                .ok()
        };
        match text.trim() {
            "off" => Ok(Self::Off),
            "hash" => Ok(Self::Hash),
            "full" => Ok(Self::Full),
            other => number(other).map(Self::Truncate).ok_or_else(|| {
                Error::config(format!(
                    "`{other}` is no content policy: use off, hash, truncate(n) or full"
                ))
            }),
        }
    }
}

/// Where prompts and completions may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Messages {
    /// Nowhere.
    #[default]
    NoContent,
    /// Onto spans.
    SpanOnly,
    /// Into events, which are log lines here.
    EventOnly,
    /// Both.
    SpanAndEvent,
}

impl Messages {
    /// Whether spans may carry them.
    pub const fn on_spans(self) -> bool {
        matches!(self, Self::SpanOnly | Self::SpanAndEvent)
    }

    /// Whether events may carry them.
    pub const fn on_events(self) -> bool {
        matches!(self, Self::EventOnly | Self::SpanAndEvent)
    }
}

impl FromStr for Messages {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.trim().to_ascii_uppercase().as_str() {
            "NO_CONTENT" => Ok(Self::NoContent),
            "SPAN_ONLY" => Ok(Self::SpanOnly),
            "EVENT_ONLY" => Ok(Self::EventOnly),
            "SPAN_AND_EVENT" => Ok(Self::SpanAndEvent),
            _ => Err(Error::config(format!(
                "`{text}` is no place for message content: use NO_CONTENT, SPAN_ONLY, EVENT_ONLY or SPAN_AND_EVENT"
            ))),
        }
    }
}

type Redact = dyn Fn(&str) -> Cow<'_, str> + Send + Sync;

/// The policy.
#[derive(Clone, Default)]
pub struct ContentPolicy {
    /// How much of any content is kept. Unset: queries are truncated to 100, messages are whole.
    pub capture: Option<Capture>,
    /// Where prompts and completions may go.
    pub messages: Messages,
    redact: Option<Arc<Redact>>,
}

impl fmt::Debug for ContentPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentPolicy")
            .field("capture", &self.capture)
            .field("messages", &self.messages)
            .field("redacts", &self.redact.is_some())
            .finish()
    }
}

impl ContentPolicy {
    /// A policy without a redaction hook.
    pub fn new(capture: Option<Capture>, messages: Messages) -> Self {
        Self {
            capture,
            messages,
            redact: None,
        }
    }

    /// A hook that sees every piece of content before anything else does.
    #[must_use]
    pub fn redact(mut self, hook: impl Fn(&str) -> Cow<'_, str> + Send + Sync + 'static) -> Self {
        self.redact = Some(Arc::new(hook));
        self
    }

    /// What of `value` may go onto a span under `key`; `None` when nothing may.
    pub fn apply(&self, key: &KeyDef, value: &str) -> Option<String> {
        if is_message(key) {
            return self
                .messages
                .on_spans()
                .then_some(())
                .and_then(|()| self.keep(value, Capture::Full));
        }
        self.keep(value, Capture::Truncate(100))
    }

    /// What of `value` may go into a log line under `key`; `None` when nothing may.
    pub fn line(&self, key: &KeyDef, value: &str) -> Option<String> {
        if is_message(key) {
            return self.event(value);
        }
        self.keep(value, Capture::Truncate(100))
    }

    /// What of a prompt or completion may go into an event; `None` when nothing may.
    pub fn event(&self, value: &str) -> Option<String> {
        self.messages
            .on_events()
            .then_some(())
            .and_then(|()| self.keep(value, Capture::Full))
    }

    fn keep(&self, value: &str, default: Capture) -> Option<String> {
        let capture = self.capture.unwrap_or(default);
        if capture == Capture::Off {
            return None;
        }
        let value = match &self.redact {
            Some(redact) => redact(value),
            None => Cow::Borrowed(value),
        };
        Some(match capture {
            Capture::Off => return None,
            Capture::Hash => hash(&value),
            Capture::Truncate(n) => truncate(&value, n).to_owned(),
            Capture::Full => value.into_owned(),
        })
    }
}

/// The first `n` Unicode scalar values.
pub(crate) fn truncate(value: &str, n: usize) -> &str {
    match value.char_indices().nth(n) {
        Some((end, _)) => &value[..end],
        None => value,
    }
}

fn hash(value: &str) -> String {
    let mut digits = [0; 64];
    crate::context::w3c::write_hex(&Sha256::digest(value.as_bytes()), &mut digits);
    let digits = String::from_utf8_lossy(&digits);
    format!("sha256:{digits} length:{}", value.chars().count())
}

/// Prompts and completions, under either name. By name: a key is a constant, which may have another
/// address wherever it is used.
fn is_message(key: &KeyDef) -> bool {
    [
        llm::INPUT_MESSAGES,
        llm::OUTPUT_MESSAGES,
        otel::INPUT_MESSAGES,
        otel::OUTPUT_MESSAGES,
    ]
    .iter()
    .any(|message| message.name() == key.name)
}
