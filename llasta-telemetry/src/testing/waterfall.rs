//! A trace as a tree.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::CapturedSpan;
use crate::schema::http;

/// Spans, printed as a tree for each trace: kind, service, duration and share of the root's.
///
/// Children are ordered by their start. A span whose parent is not among them comes at the end,
/// marked with `?`. A failed span says its `error.type`.
///
/// ```
/// use llasta_telemetry::schema::{rag, response};
/// use llasta_telemetry::testing::{Recorder, Waterfall};
///
/// let seen = Recorder::new("chatbot-rag");
/// let retrieve = rag::RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
/// retrieve.in_scope(|| drop(response::SendToFrontend::start_in(seen.telemetry())));
/// drop(retrieve);
///
/// let printed = Waterfall::new(&seen.spans()).without_times().to_string();
/// assert_eq!(printed, "\
/// rag.retrieve_context          INTERNAL  chatbot-rag
/// └─ response.send_to_frontend  INTERNAL  chatbot-rag
/// ");
/// ```
#[derive(Debug, Clone)]
#[must_use = "print it, or compare its text"]
pub struct Waterfall<'a> {
    spans: &'a [CapturedSpan],
    times: bool,
}

impl<'a> Waterfall<'a> {
    /// The tree of these spans.
    pub fn new(spans: &'a [CapturedSpan]) -> Self {
        Self { spans, times: true }
    }

    /// Leaves durations and shares out: this is the same in every run.
    pub fn without_times(mut self) -> Self {
        self.times = false;
        self
    }

    /// Compares with a picture such as the contract draws, without times. How far the picture is
    /// indented as a whole, and blank lines around it, do not matter.
    ///
    /// ```
    /// use llasta_telemetry::schema::rag::RetrieveContext;
    /// use llasta_telemetry::testing::{Recorder, Waterfall};
    ///
    /// let seen = Recorder::new("chatbot-rag");
    /// drop(RetrieveContext::start_in(seen.telemetry(), 5, 0.5));
    /// Waterfall::new(&seen.spans()).assert_is("
    ///     rag.retrieve_context  INTERNAL  chatbot-rag
    /// ");
    /// ```
    ///
    /// # Panics
    ///
    /// When it differs: both pictures are printed, with a mark at each line that one of them lacks.
    #[track_caller]
    pub fn assert_is(self, picture: &str) {
        let expected = unindented(picture);
        let printed = self.without_times().to_string();
        let found: Vec<&str> = printed.lines().collect();
        assert!(
            found == expected,
            "the trace is not as expected.\nexpected:\n{}found:\n{}",
            marked(&expected, &found),
            marked(&found, &expected)
        );
    }
}

/// The lines of a picture, without blank ones around it and without the indent they share.
fn unindented(picture: &str) -> Vec<&str> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let lines = picture.lines().map(str::trim_end);
    let shared = lines
        .clone()
        .filter(|line| !line.is_empty())
        .map(indent)
        .min();
    let lines: Vec<_> = lines
        .map(|line| line.get(shared.unwrap_or(0)..).unwrap_or_default())
        .collect();
    let drawn = |line: &&str| !line.is_empty();
    let first = lines.iter().position(&drawn);
    let last = lines.iter().rposition(drawn);
    match (first, last) {
        (Some(first), Some(last)) => lines[first..=last].to_vec(),
        _ => Vec::new(),
    }
}

/// The lines, with a mark at those that the others lack.
fn marked(lines: &[&str], others: &[&str]) -> String {
    let mark = |line: &&str| {
        let mark = if others.contains(line) { ' ' } else { '>' };
        format!("{mark} {line}\n")
    };
    lines.iter().map(mark).collect()
}

impl fmt::Display for Waterfall<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Traces in the order of their first span.
        let mut traces: BTreeMap<&str, Vec<&CapturedSpan>> = BTreeMap::new();
        for span in self.spans {
            traces.entry(&span.trace_id).or_default().push(span);
        }
        let mut traces: Vec<_> = traces.into_values().map(Tree::new).collect();
        traces.sort_by_key(|tree| tree.begins());
        for (index, tree) in traces.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write(f, &tree.lines(), self.times)?;
        }
        Ok(())
    }
}

/// One trace: what begins it, what stands under what, and what stands nowhere.
struct Tree<'a> {
    roots: Vec<&'a CapturedSpan>,
    orphans: Vec<&'a CapturedSpan>,
    children: HashMap<&'a str, Vec<&'a CapturedSpan>>,
}

impl<'a> Tree<'a> {
    fn new(mut spans: Vec<&'a CapturedSpan>) -> Self {
        // Ids break ties: with a clock that stands still they say what was started first.
        spans.sort_by_key(|span| (span.start_unix_nano, &span.span_id));
        let mut tree = Self {
            roots: Vec::new(),
            orphans: Vec::new(),
            children: HashMap::new(),
        };
        let known: Vec<&str> = spans.iter().map(|span| span.span_id.as_str()).collect();
        for span in &spans {
            match &span.parent_span_id {
                None => tree.roots.push(span),
                Some(parent) if known.contains(&parent.as_str()) => {
                    tree.children.entry(parent).or_default().push(span);
                }
                Some(_) => tree.orphans.push(span),
            }
        }
        // A caller that is not captured, such as a browser, makes the first span an orphan.
        if tree.roots.is_empty() && !tree.orphans.is_empty() {
            tree.roots.push(tree.orphans.remove(0));
        }
        // Spans that stand under each other hang on nothing; the first is shown as an orphan.
        for span in spans {
            let mut shown = Vec::new();
            for top in tree.roots.iter().chain(&tree.orphans) {
                tree.collect(top, &mut shown);
            }
            if !shown.contains(&span.span_id.as_str()) {
                tree.orphans.push(span);
            }
        }
        tree
    }

    fn collect(&self, span: &'a CapturedSpan, seen: &mut Vec<&'a str>) {
        if seen.contains(&span.span_id.as_str()) {
            return;
        }
        seen.push(&span.span_id);
        for child in self
            .children
            .get(span.span_id.as_str())
            .into_iter()
            .flatten()
        {
            self.collect(child, seen);
        }
    }

    fn begins(&self) -> u64 {
        self.roots.first().map_or(0, |root| root.start_unix_nano)
    }

    fn lines(&self) -> Vec<Line<'a>> {
        let whole = self.roots.first().map_or(0.0, |root| root.duration_ms());
        let mut lines = Vec::new();
        let mut seen = Vec::new();
        for root in &self.roots {
            self.walk(root, "", "", whole, &mut seen, &mut lines);
        }
        for orphan in &self.orphans {
            self.walk(orphan, "? ", "  ", whole, &mut seen, &mut lines);
        }
        lines
    }

    fn walk(
        &self,
        span: &'a CapturedSpan,
        first: &str,
        next: &str,
        whole: f64,
        seen: &mut Vec<&'a str>,
        lines: &mut Vec<Line<'a>>,
    ) {
        if seen.contains(&span.span_id.as_str()) {
            return;
        }
        seen.push(&span.span_id);
        lines.push(Line {
            name: format!("{first}{}", span.name),
            span,
            share: share(span.duration_ms(), whole),
        });
        let children = self
            .children
            .get(span.span_id.as_str())
            .map_or(&[][..], |children| children);
        for (index, child) in children.iter().enumerate() {
            let (branch, under) = if index + 1 == children.len() {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            let (first, next) = (format!("{next}{branch}"), format!("{next}{under}"));
            self.walk(child, &first, &next, whole, seen, lines);
        }
    }
}

struct Line<'a> {
    name: String,
    span: &'a CapturedSpan,
    share: String,
}

fn write(f: &mut fmt::Formatter<'_>, lines: &[Line<'_>], times: bool) -> fmt::Result {
    let width = |text: &dyn Fn(&Line<'_>) -> usize| lines.iter().map(text).max().unwrap_or(0);
    let names = width(&|line| line.name.chars().count());
    let kinds = width(&|line| line.span.kind.len());
    let services = width(&|line| line.span.service.chars().count());
    let durations: Vec<_> = lines
        .iter()
        .map(|line| milliseconds(line.span.duration_ms()))
        .collect();
    let duration = durations.iter().map(String::len).max().unwrap_or(0);
    let share = width(&|line| line.share.chars().count());
    for (line, time) in lines.iter().zip(&durations) {
        let Line { name, span, .. } = line;
        let mut text = format!(
            "{name:names$}  {:kinds$}  {:services$}",
            span.kind, span.service
        );
        if times {
            text += &format!("  {time:>duration$}  {:>share$}", line.share);
        }
        if span.status == "error" {
            let why = span.text(http::ERROR_TYPE.name()).unwrap_or("error");
            text += &format!("  ✗ {why}");
        }
        writeln!(f, "{}", text.trim_end())?;
    }
    Ok(())
}

/// With three digits that count: `0.042 ms`, `4.21 ms`, `42.1 ms`, `4210 ms`.
pub(super) fn milliseconds(ms: f64) -> String {
    if ms < 1.0 {
        format!("{ms:.3} ms")
    } else if ms < 10.0 {
        format!("{ms:.2} ms")
    } else if ms < 100.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{ms:.0} ms")
    }
}

/// The part of the whole in percent; a whole of nothing has no parts.
pub(super) fn share(part: f64, whole: f64) -> String {
    if whole > 0.0 {
        format!("{:.1} %", part / whole * 100.0)
    } else {
        "–".to_owned()
    }
}
