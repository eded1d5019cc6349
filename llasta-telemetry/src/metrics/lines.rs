//! The parts of a page that never change, written once.

use super::page::{Page, canonical, escape_quoted};
use crate::schema::{Instrument, MetricDef, Was};

/// What stands before the values of one series, line by line: `name{labels} `.
#[derive(Debug)]
pub struct Lines {
    /// One line behind the other.
    text: Box<str>,
    ends: Box<[u32]>,
}

impl Lines {
    /// The only line of a counter or gauge.
    pub(super) fn single(name: &str, labels: &str) -> Self {
        let mut lines = Builder::default();
        lines.add(name, "", labels, None);
        lines.finish()
    }

    /// A line for each bucket, infinity among them, then the sum, then the count.
    pub(super) fn histogram(name: &str, labels: &str, bounds: &[f64]) -> Self {
        let mut lines = Builder::default();
        for bound in bounds.iter().copied().chain([f64::INFINITY]) {
            lines.add(name, "_bucket", labels, Some(bound));
        }
        lines.add(name, "_sum", labels, None);
        lines.add(name, "_count", labels, None);
        lines.finish()
    }

    /// Each line in turn.
    #[inline]
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let mut rest = &*self.text;
        let mut begin = 0;
        self.ends.iter().map(move |end| {
            let (line, others) = rest.split_at((end - begin) as usize);
            (rest, begin) = (others, *end);
            line
        })
    }
}

#[derive(Default)]
struct Builder {
    text: String,
    ends: Vec<u32>,
}

impl Builder {
    fn add(&mut self, name: &str, suffix: &str, labels: &str, bound: Option<f64>) {
        begin_line(&mut self.text, name, suffix, labels, bound);
        self.ends
            .push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
    }

    fn finish(self) -> Lines {
        Lines {
            text: self.text.into(),
            ends: self.ends.into(),
        }
    }
}

/// `name{labels,le="…"} `, or `name `.
pub(super) fn begin_line(
    out: &mut String,
    name: &str,
    suffix: &str,
    labels: &str,
    bound: Option<f64>,
) {
    out.push_str(name);
    out.push_str(suffix);
    if !labels.is_empty() || bound.is_some() {
        out.push('{');
        out.push_str(labels);
        if let Some(bound) = bound {
            let le = if labels.is_empty() { "le=\"" } else { ",le=\"" };
            out.push_str(le);
            out.push_str(&canonical(bound));
            out.push('"');
        }
        out.push('}');
    }
    out.push(' ');
}

/// The lines above the series of a metric, in both formats.
#[derive(Debug)]
pub(super) struct Head {
    text: Box<str>,
    open: Box<str>,
}

impl Head {
    pub(super) fn new(def: &MetricDef) -> Self {
        Self::named(def, def.name, def.brief)
    }

    /// The lines above the same series under the name they had before.
    pub(super) fn renamed(def: &MetricDef, was: &Was) -> Self {
        let (name, since, brief) = (def.name, was.since, def.brief);
        let help = format!("Deprecated since {since}: use {name}. {brief}");
        Self::named(def, was.name, &help)
    }

    fn named(def: &MetricDef, name: &str, help: &str) -> Self {
        let kind = def.instrument.name();
        Self {
            text: text_head(name, help, kind).into(),
            open: open_head(name, help, kind, def.unit_word(name)).into(),
        }
    }

    pub(super) fn render(&self, page: &mut Page) {
        let open = page.is_open();
        page.raw(if open { &self.open } else { &self.text });
    }
}

/// HELP and TYPE. Quotation marks stand in a HELP line as they are.
pub(super) fn text_head(name: &str, help: &str, kind: &str) -> String {
    let help = help.replace('\\', "\\\\").replace('\n', "\\n");
    format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")
}

/// TYPE, UNIT and HELP, in the order that OpenMetrics recommends.
pub(super) fn open_head(name: &str, help: &str, kind: &str, unit: Option<&str>) -> String {
    let (name, kind) = family(name, kind);
    let mut head = format!("# TYPE {name} {kind}\n");
    if let Some(unit) = unit {
        head.push_str(&format!("# UNIT {name} {unit}\n"));
    }
    head.push_str(&format!("# HELP {name} "));
    escape_quoted(help, &mut head);
    head.push('\n');
    head
}

/// What OpenMetrics calls the family of a metric: a counter's without `_total`. A counter that has
/// no such suffix is none to OpenMetrics.
pub(super) fn family<'a>(name: &'a str, kind: &'a str) -> (&'a str, &'a str) {
    match kind {
        "counter" => match name.strip_suffix("_total") {
            Some(family) => (family, kind),
            None => (name, "unknown"),
        },
        // The text format's word for the same.
        "untyped" => (name, "unknown"),
        _ => (name, kind),
    }
}

/// Every name that a metric takes on an OpenMetrics page: its family's and its samples', and the
/// same for the name it had before.
pub(super) fn names(def: &MetricDef) -> Vec<String> {
    let suffixes: &[&str] = match def.instrument {
        Instrument::Counter => &["", "_total", "_created"],
        Instrument::Gauge => &[""],
        Instrument::Histogram => &["", "_bucket", "_sum", "_count", "_created"],
    };
    [Some(def.name), def.was.map(|was| was.name)]
        .into_iter()
        .flatten()
        .flat_map(|name| {
            let (family, _) = family(name, def.instrument.name());
            suffixes
                .iter()
                .map(move |suffix| format!("{family}{suffix}"))
        })
        .collect()
}

/// Whether samples of this name may have exemplars: OpenMetrics has them on counters and buckets,
/// and what is called a counter without `_total` is none to it.
pub(super) fn takes_exemplars(name: &str, def: &MetricDef) -> bool {
    family(name, def.instrument.name()).1 != "unknown"
}
