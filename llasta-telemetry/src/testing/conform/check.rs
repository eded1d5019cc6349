//! Everything at once.

use super::finding::{Finding, Findings, Level};
use super::{access, chat, log, page, record, spans};
use crate::schema::Schema;
use crate::span::Names;
use crate::testing::Evidence;

/// Compares everything that was captured with the schema, and the signals with each other:
///
/// * each span, as [`spans`](super::spans()) does,
/// * each chat request, as [`chat_request`](super::chat_request) does. When one of its services
///   sent no span at all, that is one finding of the level information: a service may be checked
///   alone,
/// * each metrics page with the metrics that its service has, their units, their values, their
///   sums, and the exemplars of what was captured,
/// * log lines, as [`log_lines`](super::log_lines) does, and log records that came over OTLP,
/// * each request's span with its access line.
///
/// `names` says under which names the services were told to write attributes.
pub fn check(schema: &Schema, evidence: &Evidence, names: Names) -> Vec<Finding> {
    let mut findings = Findings::default();
    spans::each(schema, &evidence.spans, names, &mut findings);
    let mut chats = Findings::default();
    chat::chat_requests(schema, &evidence.spans, &mut chats);
    findings.absorb(chats);
    for captured in &evidence.pages {
        page::check(schema, captured, &evidence.spans, &mut findings);
    }
    let lines = log::read(evidence.lines.iter().map(String::as_str), &mut findings);
    access::check(schema, &lines, evidence, &mut findings);
    for record in &evidence.logs {
        record::check(schema, record, &mut findings);
    }
    findings.into_vec()
}

/// Panics when [`check`] finds more than information. `names` are both, which is what services
/// write unless they are told otherwise.
///
/// # Panics
///
/// With how many findings there are, and each on a line of its own.
#[track_caller]
pub fn assert_conforms(schema: &Schema, evidence: &Evidence) {
    let findings = check(schema, evidence, Names::Both);
    if findings
        .iter()
        .all(|finding| finding.level == Level::Information)
    {
        return;
    }
    let count = match findings.len() {
        1 => "1 finding".to_owned(),
        many => format!("{many} findings"),
    };
    let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
    panic!("{count}:\n{}", lines.join("\n"));
}
