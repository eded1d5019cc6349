//! Log lines beside the spans they belong to.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::finding::{FindingId, Findings, Signal};
use super::log::Fields;
use super::{http, page};
use crate::schema::resource::SERVICE_NAME;
use crate::schema::{Kind, Schema};
use crate::testing::{CapturedSpan, Evidence};

/// What the line that a service writes at its start begins with.
const START: &str = "OTLP endpoint: ";

/// Each service says at its start where its spans go, each request has one access line, and lines
/// come from the service whose span they were written in.
pub(super) fn check(
    schema: &Schema,
    lines: &[Fields],
    evidence: &Evidence,
    findings: &mut Findings,
) {
    let services: BTreeSet<_> = lines.iter().filter_map(service).collect();
    for service in &services {
        let of_service: Vec<_> = lines
            .iter()
            .filter(|line| self::service(line) == Some(service))
            .collect();
        start(service, &of_service, findings);
        requests(schema, service, &of_service, &evidence.spans, findings);
    }
    names(schema, lines, &services, evidence, findings);
}

fn text<'a>(line: &'a Fields, field: &str) -> Option<&'a str> {
    line.get(field)?.as_str()
}

fn service(line: &Fields) -> Option<&str> {
    text(line, SERVICE_NAME.name())
}

fn ids(line: &Fields) -> Option<(&str, &str)> {
    Some((text(line, "trace_id")?, text(line, "span_id")?))
}

/// Whoever writes lines outside of any request writes this one too; what was kept of requests
/// alone does not begin with the service's start.
fn start(service: &str, lines: &[&Fields], findings: &mut Findings) {
    let outside = lines.iter().any(|line| ids(line).is_none());
    let says = |line: &&&Fields| text(line, "message").is_some_and(|text| text.contains(START));
    if outside && !lines.iter().any(|line| says(&line)) {
        findings.violation(
            FindingId::MissingLogLine,
            Signal::Log,
            service,
            format!("no line holds `{START}`"),
            "write one at the start, with the address or `none`: operators look for it",
        );
    }
}

/// A line that is written at the end of a request: by the name of its target, or since it says
/// what was asked for and how long that took.
fn is_access(line: &Fields) -> bool {
    let by_target = text(line, "target")
        .is_some_and(|target| target.rsplit([':', '.']).next() == Some("access"));
    by_target
        || ["method", "status", "duration_ms"]
            .iter()
            .all(|field| line.contains_key(*field))
}

fn requests(
    schema: &Schema,
    service: &str,
    lines: &[&Fields],
    spans: &[CapturedSpan],
    findings: &mut Findings,
) {
    // Where access lines can be told from others, one of them is meant.
    let told_apart = lines.iter().any(|line| is_access(line));
    let mut counts: HashMap<_, usize> = HashMap::new();
    for line in lines.iter().filter(|line| !told_apart || is_access(line)) {
        if let Some(ids) = ids(line) {
            *counts.entry(ids).or_default() += 1;
        }
    }
    let served = |span: &&CapturedSpan| {
        span.service == service
            && span.kind == Kind::Server.name()
            && http::declaration(schema, span).is_some()
    };
    for span in spans.iter().filter(served) {
        match counts.get(&(span.trace_id.as_str(), span.span_id.as_str())) {
            None => findings.violation(
                FindingId::MissingAccessLine,
                Signal::Log,
                service,
                format!("no access line bears the ids of the span `{}`", span.name),
                "write one line for each request, at its end and inside its span",
            ),
            Some(count) if told_apart && *count > 1 => findings.violation(
                FindingId::DuplicateAccessLine,
                Signal::Log,
                service,
                format!(
                    "{count} access lines bear the ids of one span `{}`",
                    span.name
                ),
                "write one line for each request",
            ),
            Some(_) => {}
        }
    }
}

/// A line inside a span comes from the span's service, and any line from one that was seen.
fn names(
    schema: &Schema,
    lines: &[Fields],
    services: &BTreeSet<&str>,
    evidence: &Evidence,
    findings: &mut Findings,
) {
    let name = SERVICE_NAME.name();
    // The one who is called may write lines inside the CLIENT span of its caller.
    let own: HashMap<_, _> = evidence
        .spans
        .iter()
        .filter(|span| span.kind != Kind::Client.name())
        .map(|span| {
            (
                (span.trace_id.as_str(), span.span_id.as_str()),
                span.service.as_str(),
            )
        })
        .collect();
    for line in lines {
        let owner = ids(line).and_then(|ids| own.get(&ids));
        if let (Some(owner), Some(says)) = (owner, service(line))
            && *owner != says
        {
            findings.violation(
                FindingId::WrongService,
                Signal::Log,
                name,
                format!("is {says:?} in a line that was written inside a span of {owner:?}"),
                "name the service in its lines as its resource does",
            );
        }
    }
    let pages = evidence.pages.iter().filter_map(|captured| {
        let page = captured.page.as_ref().ok()?;
        Some(page::service(schema, captured, page))
    });
    let spans = evidence.spans.iter().map(|span| span.service.clone());
    let seen: HashSet<_> = spans.chain(pages).collect();
    let strangers = services.iter().filter(|service| !seen.contains(**service));
    for stranger in strangers.filter(|_| !evidence.spans.is_empty()) {
        findings.improvement(
            FindingId::WrongService,
            Signal::Log,
            stranger,
            format!("`{name}` of a line says so, and neither a span nor a metrics page does"),
            "name the service everywhere as its resource does",
        );
    }
}
