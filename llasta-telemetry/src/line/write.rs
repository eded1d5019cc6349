//! The line itself.

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::io::Write as _;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use super::time;
use crate::context::Ids;
use crate::context::w3c::write_hex;
use crate::error::Error;

thread_local! {
    /// The line being written on this thread: its memory is used again for the next.
    static BUFFER: RefCell<String> = const { RefCell::new(String::new()) };
}

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// One JSON object a line.
    Json,
    /// Coloured, for people at a terminal.
    Pretty,
}

impl FromStr for Style {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.trim() {
            "json" => Ok(Self::Json),
            "pretty" => Ok(Self::Pretty),
            other => Err(Error::config(format!(
                "`{other}` is no log format: use json or pretty"
            ))),
        }
    }
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Somebody should look.
    Error,
    /// Somebody may want to look.
    Warn,
    /// The course of things.
    Info,
    /// For whoever hunts a fault.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
            Self::Trace => "TRACE",
        }
    }

    const fn colour(self) -> &'static str {
        match self {
            Self::Error => "\x1b[31m",
            Self::Warn => "\x1b[33m",
            Self::Info => "\x1b[32m",
            Self::Debug => "\x1b[34m",
            Self::Trace => "\x1b[35m",
        }
    }
}

type Take = dyn Fn(&str) + Send + Sync;

/// Takes whole lines. Cheap to clone.
#[derive(Clone)]
pub struct LineSink {
    style: Style,
    take: Arc<Take>,
}

impl fmt::Debug for LineSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineSink")
            .field("style", &self.style)
            .finish_non_exhaustive()
    }
}

impl LineSink {
    /// A sink that hands each line, with its line feed, to `take`.
    pub fn new(style: Style, take: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self {
            style,
            take: Arc::new(take),
        }
    }

    /// Standard output. A reader that went away is no reason to stop the service.
    pub fn stdout(style: Style) -> Self {
        Self::new(style, |line| {
            let _ = std::io::stdout().lock().write_all(line.as_bytes());
        })
    }

    /// Writes one line.
    pub fn write(
        &self,
        level: Level,
        target: &str,
        service: &str,
        ids: Ids,
        fill: impl FnOnce(&mut Line<'_>),
    ) {
        self.compose(|line| {
            line.time(SystemTime::now());
            line.origin(level, target, service);
            line.ids(ids);
            fill(line);
        });
    }

    /// Writes one line whose origin was written before, at a time that is known.
    #[cfg(feature = "http")]
    pub(crate) fn write_prepared(
        &self,
        at: SystemTime,
        origin: &Prepared,
        ids: Ids,
        fill: impl FnOnce(&mut Line<'_>),
    ) {
        self.compose(|line| {
            line.time(at);
            line.prepared(origin);
            line.ids(ids);
            fill(line);
        });
    }

    fn compose(&self, fill: impl FnOnce(&mut Line<'_>)) {
        let mut own = String::new();
        BUFFER.with(|buffer| {
            // A value that logs while it is being logged gets a buffer of its own.
            let mut shared = buffer.try_borrow_mut();
            let out = match &mut shared {
                Ok(shared) => &mut **shared,
                Err(_) => &mut own,
            };
            out.clear();
            let mut line = Line {
                out,
                style: self.style,
            };
            fill(&mut line);
            line.out.push_str(if self.style == Style::Json {
                "}\n"
            } else {
                "\x1b[0m\n"
            });
            (self.take)(line.out);
        });
    }
}

/// Part of a line that is the same in many, written once in the style of its sink.
#[derive(Debug)]
pub(crate) struct Prepared(Box<str>);

#[cfg(feature = "http")]
impl Prepared {
    /// Fields.
    pub(crate) fn fields(sink: &LineSink, fill: impl FnOnce(&mut Line<'_>)) -> Self {
        let mut out = String::new();
        fill(&mut Line {
            out: &mut out,
            style: sink.style,
        });
        Self(out.into())
    }

    /// Where a line comes from, for [`LineSink::write_prepared`].
    pub(crate) fn origin(sink: &LineSink, level: Level, target: &str, service: &str) -> Self {
        Self::fields(sink, |line| line.origin(level, target, service))
    }
}

/// A line being written.
#[derive(Debug)]
pub struct Line<'a> {
    out: &'a mut String,
    style: Style,
}

impl Line<'_> {
    fn time(&mut self, at: SystemTime) {
        self.out.push_str(match self.style {
            Style::Json => "{\"timestamp\":\"",
            Style::Pretty => "\x1b[2m",
        });
        time::write(at, self.out);
    }

    fn origin(&mut self, level: Level, target: &str, service: &str) {
        match self.style {
            Style::Json => {
                self.out.push_str("\",\"level\":\"");
                self.out.push_str(level.name());
                self.out.push_str("\",\"target\":\"");
                escape(target, self.out);
                self.out.push_str("\",\"service.name\":\"");
                escape(service, self.out);
                self.out.push('"');
            }
            Style::Pretty => {
                let _ = write!(
                    self.out,
                    "\x1b[0m {}{:>5}\x1b[0m \x1b[2m{target}\x1b[0m",
                    level.colour(),
                    level.name()
                );
            }
        }
    }

    fn ids(&mut self, ids: Ids) {
        if !ids.is_valid() {
            return;
        }
        match self.style {
            Style::Json => {
                // One piece, so that it is looked at once.
                let mut piece = *b",\"trace_id\":\"00000000000000000000000000000000\",\"span_id\":\"0000000000000000\"";
                write_hex(&ids.trace_id.to_bytes(), &mut piece[13..45]);
                write_hex(&ids.span_id.to_bytes(), &mut piece[58..74]);
                self.ascii(&piece);
            }
            Style::Pretty => {
                let _ = write!(self.out, " \x1b[2m{}\x1b[0m", ids.trace_id);
            }
        }
    }

    /// Fields that were written before.
    #[cfg(feature = "http")]
    pub(crate) fn prepared(&mut self, prepared: &Prepared) {
        self.out.push_str(&prepared.0);
    }

    /// The message.
    pub fn message(&mut self, message: &str) {
        match self.style {
            Style::Json => self.text("message", message),
            Style::Pretty => {
                self.out.push(' ');
                self.out.push_str(message);
            }
        }
    }

    /// A field that holds a text.
    pub fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        if self.style == Style::Json {
            self.out.push('"');
            escape(value, self.out);
            self.out.push('"');
        } else {
            self.out.push_str(value);
        }
    }

    /// A field that holds a whole number.
    pub fn integer(&mut self, name: &str, value: i64) {
        self.name(name);
        self.out.push_str(itoa::Buffer::new().format(value));
    }

    /// A field that holds a number. What JSON cannot write is null.
    pub fn float(&mut self, name: &str, value: f64) {
        self.name(name);
        if value.is_finite() {
            let _ = write!(self.out, "{value}");
        } else {
            self.out.push_str("null");
        }
    }

    /// A field that is true or false.
    pub fn boolean(&mut self, name: &str, value: bool) {
        self.name(name);
        self.out.push_str(if value { "true" } else { "false" });
    }

    /// A field that holds milliseconds, to the microsecond.
    pub fn millis(&mut self, name: &str, micros: u64) {
        self.name(name);
        self.out.push_str(itoa::Buffer::new().format(micros / 1000));
        let rest = micros % 1000;
        if rest > 0 {
            let digits = [rest / 100, rest / 10 % 10, rest % 10].map(|digit| b'0' + digit as u8);
            self.out.push('.');
            self.ascii(&digits);
        }
    }

    fn ascii(&mut self, digits: &[u8]) {
        self.out
            .push_str(std::str::from_utf8(digits).unwrap_or_default());
    }

    fn name(&mut self, name: &str) {
        if self.style == Style::Json {
            self.out.push_str(",\"");
            escape(name, self.out);
            self.out.push_str("\":");
        } else {
            let _ = write!(self.out, " \x1b[2m{name}=\x1b[0m");
        }
    }
}

/// Writes a text as it stands between JSON's quotes.
fn escape(text: &str, out: &mut String) {
    // Most texts need nothing, which is seen without looking at one byte after the other.
    let plain = text.bytes().fold(true, |plain, byte| {
        plain & (byte >= 0x20) & (byte != b'"') & (byte != b'\\')
    });
    if plain {
        out.push_str(text);
    } else {
        escape_bytes(text, out);
    }
}

#[cold]
fn escape_bytes(text: &str, out: &mut String) {
    let mut clean = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        // All of these are one byte long, so both sides are whole characters.
        out.push_str(&text[clean..at]);
        clean = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            other => {
                let _ = write!(out, "\\u{other:04x}");
            }
        }
    }
    out.push_str(&text[clean..]);
}
