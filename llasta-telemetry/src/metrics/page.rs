//! The page a scraper reads: Prometheus' text format, or OpenMetrics with exemplars.

use super::exemplar::Slot;
use super::format::Format;
use super::lines::{begin_line, open_head, text_head};
use crate::context::w3c::write_hex;

/// A page being written.
#[derive(Debug)]
pub struct Page {
    out: String,
    open: bool,
    /// Whether the lines being written have them.
    exemplars: bool,
}

impl Page {
    pub(super) fn new(format: Format, capacity: usize) -> Self {
        Self {
            out: String::with_capacity(capacity),
            open: format.is_open(),
            exemplars: format.is_open(),
        }
    }

    pub(super) fn into_string(mut self) -> String {
        if self.open {
            self.out.push_str("# EOF\n");
        }
        self.out
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Writes lines that may have exemplars or not, where the format has them.
    pub(super) fn with_exemplars(&mut self, takes: bool, write: impl FnOnce(&mut Self)) {
        self.exemplars = self.open && takes;
        write(self);
        self.exemplars = self.open;
    }

    /// What was written before.
    #[inline]
    pub(super) fn raw(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// The lines above a metric of the `prometheus` crate.
    pub(super) fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.out.push_str(&if self.open {
            open_head(name, help, kind, None)
        } else {
            text_head(name, help, kind)
        });
    }

    /// The beginning of one of its lines.
    pub(super) fn begin_line(
        &mut self,
        name: &str,
        suffix: &str,
        labels: &str,
        bound: Option<f64>,
    ) {
        begin_line(&mut self.out, name, suffix, labels, bound);
    }

    pub(super) fn integer(&mut self, value: u64) {
        self.out.push_str(itoa::Buffer::new().format(value));
    }

    pub(super) fn signed(&mut self, value: i64) {
        self.out.push_str(itoa::Buffer::new().format(value));
    }

    /// The fewest digits that read back as this value; whole numbers have no point.
    pub(super) fn float(&mut self, value: f64) {
        if value.is_finite() {
            let mut buffer = zmij::Buffer::new();
            let digits = buffer.format_finite(value);
            self.out
                .push_str(digits.strip_suffix(".0").unwrap_or(digits));
        } else {
            self.out.push_str(if value.is_nan() {
                "NaN"
            } else if value > 0.0 {
                "+Inf"
            } else {
                "-Inf"
            });
        }
    }

    /// ` # {trace_id="…",span_id="…"} value time`, where the format has it. Its labels have 63
    /// characters of the 128 that OpenMetrics allows.
    pub(super) fn exemplar(&mut self, slot: &Slot) {
        if !self.exemplars {
            return;
        }
        let Some(held) = slot.read() else {
            return;
        };
        let mut labels =
            *b" # {trace_id=\"00000000000000000000000000000000\",span_id=\"0000000000000000\"} ";
        write_hex(&held.exemplar.trace_id.to_bytes(), &mut labels[14..46]);
        write_hex(&held.exemplar.span_id.to_bytes(), &mut labels[57..73]);
        self.out
            .push_str(str::from_utf8(&labels).unwrap_or_default());
        self.float(held.value);
        self.out.push(' ');
        self.integer(held.at_millis / 1000);
        let millis = held.at_millis % 1000;
        let fraction = [b'.', digit(millis / 100), digit(millis / 10), digit(millis)];
        self.out
            .push_str(str::from_utf8(&fraction).unwrap_or_default());
    }

    #[inline]
    pub(super) fn end_of_line(&mut self) {
        self.out.push('\n');
    }
}

/// The last decimal digit.
fn digit(number: u64) -> u8 {
    b'0' + (number % 10) as u8
}

/// A number as it stands in `le` and `quantile`. These are compared as texts, so OpenMetrics says
/// how to write them: as Go does, with a point or an exponent to show that they are floats.
/// Prometheus 3 stores `le="5"` as `le="5.0"`.
pub(super) fn canonical(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    match scientific.split_once('e') {
        Some((digits, exponent)) => match exponent.parse::<i32>() {
            Ok(exponent) if exponent < -4 => format!("{digits}e-{:02}", -exponent),
            Ok(exponent) if exponent > 5 && value != 0.0 => format!("{digits}e+{exponent:02}"),
            _ => format!("{value:?}"),
        },
        None => scientific,
    }
}

/// Writes a text as it stands between quotation marks.
pub(super) fn escape_quoted(value: &str, out: &mut String) {
    for letter in value.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            _ => out.push(letter),
        }
    }
}
