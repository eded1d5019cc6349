//! The page a scraper reads: Prometheus' text format, or OpenMetrics with exemplars.

use std::fmt::Write;

use super::exemplar::Slot;

/// The format of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`: what every scraper reads; it has no exemplars.
    Text,
    /// `application/openmetrics-text; version=1.0.0`: with exemplars.
    OpenMetrics,
}

impl Format {
    /// Chooses by the `Accept` header: OpenMetrics when it is listed with at least the weight of
    /// the text format, the text format otherwise.
    pub fn negotiate(accept: Option<&str>) -> Self {
        let Some(accept) = accept else {
            return Self::Text;
        };
        let (mut open, mut text) = (0.0f64, 0.0f64);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let weight = parts
                .filter_map(|part| {
                    let (name, weight) = part.split_once('=')?;
                    let is_weight = name.trim().eq_ignore_ascii_case("q");
                    is_weight.then(|| weight.trim().parse::<f64>().ok())?
                })
                .next()
                .unwrap_or(1.0);
            if media.eq_ignore_ascii_case("application/openmetrics-text") {
                open = open.max(weight);
            } else if media.eq_ignore_ascii_case("text/plain") {
                text = text.max(weight);
            }
        }
        if open > 0.0 && open >= text {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// The `Content-Type` of a page in this format.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A page being written.
#[derive(Debug)]
pub struct Page {
    out: String,
    format: Format,
}

impl Page {
    pub(super) fn new(format: Format) -> Self {
        Self {
            out: String::with_capacity(16 * 1024),
            format,
        }
    }

    pub(super) fn into_string(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }

    /// The HELP and TYPE lines. OpenMetrics names a counter's family without `_total`.
    pub(super) fn head(&mut self, name: &str, help: &str, kind: &str) {
        let mut kind = kind;
        let mut name = name;
        if self.format == Format::OpenMetrics && kind == "counter" {
            match name.strip_suffix("_total") {
                Some(family) => name = family,
                // A counter without the suffix is no counter to OpenMetrics.
                None => kind = "unknown",
            }
        }
        self.out.push_str("# HELP ");
        self.out.push_str(name);
        self.out.push(' ');
        for letter in help.chars() {
            match letter {
                '\n' => self.out.push_str("\\n"),
                '\\' => self.out.push_str("\\\\"),
                _ => self.out.push(letter),
            }
        }
        self.out.push_str("\n# TYPE ");
        self.out.push_str(name);
        self.out.push(' ');
        self.out.push_str(kind);
        self.out.push('\n');
    }

    pub(super) fn name(&mut self, name: &str, suffix: &str) {
        self.out.push_str(name);
        self.out.push_str(suffix);
    }

    /// `{labels,le="…"} `, or a blank.
    pub(super) fn labels(&mut self, labels: &str, bound: Option<f64>) {
        if !labels.is_empty() || bound.is_some() {
            self.out.push('{');
            self.out.push_str(labels);
            if let Some(bound) = bound {
                self.out
                    .push_str(if labels.is_empty() { "le=\"" } else { ",le=\"" });
                self.canonical(bound);
                self.out.push('"');
            }
            self.out.push('}');
        }
        self.out.push(' ');
    }

    pub(super) fn integer(&mut self, value: u64) {
        self.out.push_str(itoa::Buffer::new().format(value));
    }

    pub(super) fn signed(&mut self, value: i64) {
        self.out.push_str(itoa::Buffer::new().format(value));
    }

    pub(super) fn float(&mut self, value: f64) {
        if value.is_infinite() {
            self.out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
        } else {
            let _ = write!(self.out, "{value}");
        }
    }

    /// A float that always has a point: Prometheus 3 stores `le="5"` as `le="5.0"`.
    fn canonical(&mut self, value: f64) {
        if value.is_infinite() {
            self.out.push_str("+Inf");
        } else {
            let _ = write!(self.out, "{value:?}");
        }
    }

    /// ` # {trace_id="…",span_id="…"} value time`, where the format has it.
    pub(super) fn exemplar(&mut self, slot: &Slot) {
        if self.format != Format::OpenMetrics {
            return;
        }
        if let Some(held) = slot.read() {
            let _ = write!(
                self.out,
                " # {{trace_id=\"{}\",span_id=\"{}\"}} {} {}.{:03}",
                held.exemplar.trace_id,
                held.exemplar.span_id,
                held.value,
                held.at_millis / 1000,
                held.at_millis % 1000,
            );
        }
    }

    pub(super) fn end_of_line(&mut self) {
        self.out.push('\n');
    }
}

/// Writes a label's value as it stands between quotes.
pub(super) fn escape(value: &str, out: &mut String) {
    for letter in value.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            _ => out.push(letter),
        }
    }
}
