//! A metrics page, read back: Prometheus' text format and OpenMetrics.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// A page that was read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// Its metrics, in the order of the page.
    pub families: Vec<Family>,
}

/// One metric with all its series.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Family {
    /// The name of the TYPE line; a counter's ends in `_total` in either format.
    pub name: String,
    /// `counter`, `gauge`, `histogram`, `summary`, `untyped`, …; empty without a TYPE line.
    pub kind: String,
    /// The HELP line.
    pub help: String,
    /// The UNIT line of OpenMetrics, or the unit that came over OTLP; empty without one.
    pub unit: String,
    /// Its lines.
    pub samples: Vec<Sample>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Sample {
    /// The name as it stands there, `_bucket`, `_sum` or `_count` included.
    pub name: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
    /// Which trace to look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exemplar: Option<Exemplar>,
}

/// What stands behind a `#` at the end of a line of OpenMetrics.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Exemplar {
    /// `trace_id` and `span_id`, usually.
    pub labels: BTreeMap<String, String>,
    /// The value that was recorded.
    pub value: f64,
    /// When, in seconds since 1970.
    pub timestamp: Option<f64>,
}

/// A line that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its number, from 1.
    pub line: usize,
    /// The line itself.
    pub text: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, text } = self;
        write!(f, "line {line} of the metrics page is no sample: `{text}`")
    }
}

impl std::error::Error for Unreadable {}

impl Page {
    /// Reads a page in either format.
    ///
    /// # Errors
    ///
    /// The first line that is neither a comment nor a sample.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let mut page = Self::default();
        let open = text.trim_end().ends_with("# EOF");
        for (index, line) in text.lines().enumerate() {
            let trimmed = line.trim();
            if let Some(comment) = trimmed.strip_prefix('#') {
                page.comment(comment, open);
            } else if !trimmed.is_empty() {
                let sample = sample(trimmed).ok_or_else(|| Unreadable {
                    line: index + 1,
                    text: line.to_owned(),
                })?;
                page.family_of(&sample.name).samples.push(sample);
            }
        }
        // OpenMetrics names a counter without the suffix that its samples have.
        for family in page
            .families
            .iter_mut()
            .filter(|family| family.kind == "counter")
        {
            let total = format!("{}_total", family.name);
            let bare = open && !family.name.ends_with("_total") && family.samples.is_empty();
            if bare || family.samples.iter().any(|line| line.name == total) {
                family.name = total;
            }
        }
        Ok(page)
    }

    /// The metric of this name.
    pub fn family(&self, name: &str) -> Option<&Family> {
        self.families.iter().find(|family| family.name == name)
    }

    /// All lines.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.families.iter().flat_map(|family| &family.samples)
    }

    /// The lines that a series such as `chatbot_requests_total{status="success"}` selects: of
    /// that name, and with at least these labels. None when the series is not written like that.
    pub fn select<'a>(&'a self, series: &str) -> Vec<&'a Sample> {
        let Some((name, labels)) = name_and_labels(series.trim())
            .filter(|(_, _, rest)| rest.is_empty())
            .map(|(name, labels, _)| (name, labels))
        else {
            return Vec::new();
        };
        self.samples()
            .filter(|line| line.name == name)
            .filter(|line| {
                labels
                    .iter()
                    .all(|(name, value)| line.labels.get(name) == Some(value))
            })
            .collect()
    }

    /// The sum of the lines that a series selects; `None` when there is none.
    pub fn value(&self, series: &str) -> Option<f64> {
        let lines = self.select(series);
        (!lines.is_empty()).then(|| lines.iter().map(|line| line.value).sum())
    }

    /// HELP, TYPE and UNIT; whatever else begins with a `#` is for people. OpenMetrics escapes quotation
    /// marks in HELP.
    fn comment(&mut self, comment: &str, open: bool) {
        let mut words = comment.trim_start().splitn(3, ' ');
        let (Some(word), Some(name)) = (words.next(), words.next()) else {
            return;
        };
        let rest = words.next().unwrap_or_default();
        if word == "HELP" {
            self.named(name).help = unescape(rest, open);
        } else if word == "TYPE" {
            self.named(name).kind = rest.trim().to_owned();
        } else if word == "UNIT" {
            self.named(name).unit = rest.trim().to_owned();
        }
    }

    fn named(&mut self, name: &str) -> &mut Family {
        let at = self
            .families
            .iter()
            .position(|family| family.name == name)
            .unwrap_or_else(|| {
                self.families.push(Family {
                    name: name.to_owned(),
                    ..Family::default()
                });
                self.families.len() - 1
            });
        &mut self.families[at]
    }

    /// The family a line belongs to: that of its name, or the one whose type allows such a suffix.
    fn family_of(&mut self, sample: &str) -> &mut Family {
        let exact = self
            .families
            .iter()
            .position(|family| family.name == sample);
        let family = exact.or_else(|| {
            self.families.iter().position(|family| {
                let suffix = sample.strip_prefix(&family.name).unwrap_or_default();
                match family.kind.as_str() {
                    "histogram" => ["_bucket", "_sum", "_count", "_created"].contains(&suffix),
                    "summary" => ["_sum", "_count", "_created"].contains(&suffix),
                    "counter" => ["_total", "_created"].contains(&suffix),
                    "info" => suffix == "_info",
                    _ => false,
                }
            })
        });
        match family {
            Some(at) => &mut self.families[at],
            None => self.named(sample),
        }
    }
}

/// A line that changed between two pages.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Moved {
    /// The name of the line.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The value before; 0 when the line is new.
    pub before: f64,
    /// The value after.
    pub after: f64,
}

impl Moved {
    /// By how much it changed.
    pub fn difference(&self) -> f64 {
        self.after - self.before
    }
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (index, (name, value)) in self.labels.iter().enumerate() {
            let before = if index == 0 { "{" } else { "," };
            write!(f, "{before}{name}={value:?}")?;
        }
        if !self.labels.is_empty() {
            f.write_str("}")?;
        }
        // Sums of seconds have many digits that say nothing.
        let difference = (self.difference() * 1e6).round() / 1e6;
        write!(f, " {difference:+}")
    }
}

/// What changed from one page to the next, in the order of the later one.
pub fn moved(before: &Page, after: &Page) -> Vec<Moved> {
    let known: BTreeMap<_, _> = before
        .samples()
        .map(|line| ((&line.name, &line.labels), line.value))
        .collect();
    after
        .samples()
        .map(|line| Moved {
            name: line.name.clone(),
            labels: line.labels.clone(),
            before: known
                .get(&(&line.name, &line.labels))
                .copied()
                .unwrap_or(0.0),
            after: line.value,
        })
        .filter(|moved| moved.before != moved.after)
        .collect()
}

/// `name{labels} value [timestamp] [# {labels} value [timestamp]]`
fn sample(line: &str) -> Option<Sample> {
    let (name, labels, rest) = name_and_labels(line)?;
    if name.is_empty() {
        return None;
    }
    let (numbers, exemplar) = match rest.split_once('#') {
        Some((numbers, exemplar)) => (numbers, Some(exemplar.trim_start())),
        None => (rest, None),
    };
    let mut numbers = numbers.split_ascii_whitespace();
    let value = number(numbers.next()?)?;
    if let Some(timestamp) = numbers.next() {
        number(timestamp)?;
    }
    if numbers.next().is_some() {
        return None;
    }
    let exemplar = match exemplar {
        None => None,
        Some(text) => {
            let ("", labels, rest) = name_and_labels(text)? else {
                return None;
            };
            let mut numbers = rest.split_ascii_whitespace();
            Some(Exemplar {
                labels,
                value: number(numbers.next()?)?,
                timestamp: match numbers.next() {
                    Some(text) => Some(number(text)?),
                    None => None,
                },
            })
        }
    };
    Some(Sample {
        name: name.to_owned(),
        labels,
        value,
        exemplar,
    })
}

/// The name, the labels, and what stands behind them.
fn name_and_labels(text: &str) -> Option<(&str, BTreeMap<String, String>, &str)> {
    let end = text
        .find(|letter: char| !(letter.is_ascii_alphanumeric() || "_:".contains(letter)))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let mut labels = BTreeMap::new();
    let Some(mut rest) = rest.strip_prefix('{') else {
        return Some((name, labels, rest));
    };
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((name, labels, rest));
        }
        let (label, value) = rest.split_once("=\"")?;
        let end = closing_quote(value)?;
        labels.insert(label.trim().to_owned(), unescape(&value[..end], true));
        rest = &value[end + 1..];
    }
}

/// Where a quoted text ends: at the first quote without a backslash before it.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at),
            _ => {}
        }
    }
    None
}

fn unescape(text: &str, quotes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('n') => out.push('\n'),
            Some('\\') => out.push('\\'),
            Some('"') if quotes => out.push('"'),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        other => other.parse().ok().filter(|value: &f64| value.is_finite()),
    }
}
