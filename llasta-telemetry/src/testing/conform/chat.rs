//! The twelve spans of one chat request.

use std::collections::{BTreeMap, HashSet};

use super::excuse::{Found, excused};
use super::finding::{Finding, FindingId, Findings, Signal};
use super::retried::replaced;
use super::tree::{CHAT, CHATBOT, FAISS_WRAP, LLM_CALL, Node, TREE};
use super::{time, values};
use crate::schema::Schema;
use crate::schema::http::{PEER_SERVICE, ROUTE};
use crate::testing::CapturedSpan;

type Trace<'a> = Vec<&'a CapturedSpan>;

/// Compares each chat request among these spans with the contract's tree: its twelve spans, each
/// once, of the right kind, from the right service and under the right parent, in one trace.
///
/// Streamed or not, the tree is the same. A request that fails, is refused or is given up lacks
/// what it did not reach. A call that reached nobody may stand beside the one that was sent instead.
/// Spans of the LLM server's own may stand under the request to it. Without
/// any chat request, the trace that comes closest is compared.
///
/// Attributes are left to [`spans`](super::spans()); of the schema, this uses which spans it has.
pub fn chat_request(schema: &Schema, spans: &[CapturedSpan]) -> Vec<Finding> {
    let traces = traces(spans);
    let mut chats = chats(&traces);
    if chats.is_empty() {
        chats.extend(traces.values().max_by_key(|trace| likeness(trace)).cloned());
    }
    if chats.is_empty() {
        chats.push(Vec::new());
    }
    let mut findings = Findings::default();
    for trace in &chats {
        Chat::new(schema, trace).compare(&[], &mut findings);
    }
    findings.into_vec()
}

/// Compares the chat requests among these spans, if there are any. One of the services may be
/// looked at alone: lines of a service that sent no span at all are one finding.
pub(super) fn chat_requests(schema: &Schema, spans: &[CapturedSpan], findings: &mut Findings) {
    let absent: Vec<_> = [CHATBOT, FAISS_WRAP]
        .into_iter()
        .filter(|service| spans.iter().all(|span| span.service != *service))
        .collect();
    for trace in &chats(&traces(spans)) {
        Chat::new(schema, trace).compare(&absent, findings);
    }
}

fn traces(spans: &[CapturedSpan]) -> BTreeMap<&str, Trace<'_>> {
    let mut traces: BTreeMap<&str, Trace<'_>> = BTreeMap::new();
    for span in spans {
        traces.entry(&span.trace_id).or_default().push(span);
    }
    traces
}

/// The spans of each chat request. Several may share the trace of whoever made them: then each has
/// what stands below it. Alone in its trace, it also has what stands nowhere, to be found there.
fn chats<'a>(traces: &BTreeMap<&str, Trace<'a>>) -> Vec<Trace<'a>> {
    let mut chats = Vec::new();
    for trace in traces.values() {
        // Of whatever kind: only what answers requests has a route.
        let is_chat = |span: &&&CapturedSpan| {
            span.name == TREE[CHAT].name
                && (span.kind == TREE[CHAT].kind.name()
                    || span.attributes.contains_key(ROUTE.name()))
        };
        let roots: Vec<_> = trace.iter().filter(is_chat).collect();
        for root in &roots {
            let below = below(trace, root);
            let alone = roots.len() == 1;
            let stray = |span: &CapturedSpan| {
                alone && ([CHATBOT, FAISS_WRAP].contains(&&*span.service) || is_line(span))
            };
            let its = |span: &&CapturedSpan| below.contains(&*span.span_id) || stray(span);
            chats.push(trace.iter().copied().filter(its).collect());
        }
    }
    chats
}

/// The ids of a span and of everything below it. Spans come in any order.
fn below<'a>(trace: &[&'a CapturedSpan], root: &'a CapturedSpan) -> HashSet<&'a str> {
    let mut ids = HashSet::from([root.span_id.as_str()]);
    loop {
        let before = ids.len();
        for span in trace {
            let parent = span.parent_span_id.as_deref();
            if parent.is_some_and(|parent| ids.contains(parent)) {
                ids.insert(&span.span_id);
            }
        }
        if ids.len() == before {
            return ids;
        }
    }
}

fn is_line(span: &CapturedSpan) -> bool {
    TREE.iter().any(|node| node.name == span.name)
}

fn likeness(trace: &[&CapturedSpan]) -> usize {
    trace.iter().filter(|span| is_line(span)).count()
}

/// One chat request, line by line.
struct Chat<'a> {
    schema: &'a Schema,
    trace: &'a [&'a CapturedSpan],
    found: Found<'a>,
    /// Attempts that another one took the place of.
    replaced: HashSet<&'a str>,
}

impl<'a> Chat<'a> {
    fn new(schema: &'a Schema, trace: &'a [&'a CapturedSpan]) -> Self {
        let replaced = replaced(trace);
        Self {
            schema,
            trace,
            found: assign(trace, &replaced),
            replaced,
        }
    }

    fn compare(&self, absent: &[&str], findings: &mut Findings) {
        for (at, node) in TREE.iter().enumerate() {
            match self.found[at] {
                Some(span) => {
                    check(node, span, findings);
                    self.parent(node, span, findings);
                }
                None if excused(&self.found, at) => {}
                None if absent.contains(&node.service) => alone(node.service, findings),
                None => self.missing(node, findings),
            }
        }
        time::chat(&self.found, findings);
        values::chat(&self.found, findings);
        self.unexpected(findings);
    }

    fn missing(&self, node: &Node, findings: &mut Findings) {
        let what = self.schema.span(node.name).map_or(
            "a request is made with the SDK's client, or answered behind its layer",
            |def| def.brief,
        );
        let (kind, service) = (node.kind.name(), node.service);
        findings.span(
            FindingId::MissingSpan,
            node.name,
            format!("the {kind} span of {service} is missing"),
            format!("record it, in the trace of the chat request: {what}"),
        );
    }

    /// Without its parent, the finding is that the parent is missing. Whoever asks is no line, and
    /// may be anybody else.
    fn parent(&self, node: &Node, span: &CapturedSpan, findings: &mut Findings) {
        let named = |span: &CapturedSpan| format!("`{}` ({})", span.name, span.kind);
        let its = |other: &&&CapturedSpan| Some(&other.span_id) == span.parent_span_id.as_ref();
        let (right, advice) = match node.parent.map(|at| self.found[at]) {
            None => (
                self.found.iter().flatten().all(|line| !its(&line)),
                "let it begin the trace, or stand under the CLIENT span of whoever asks".to_owned(),
            ),
            Some(None) => return,
            Some(Some(parent)) => (its(&&parent), format!("start it under {}", named(parent))),
        };
        if right {
            return;
        }
        let stands = self.trace.iter().find(its);
        let stands = stands.map_or("no span of this trace".to_owned(), |other| named(other));
        findings.span(
            FindingId::WrongParent,
            node.name,
            format!("the {} span stands under {stands}", node.kind.name()),
            advice,
        );
    }

    /// Whatever is neither a line of the tree, nor the LLM server's own, nor a span that somebody
    /// declared beside the contract.
    fn unexpected(&self, findings: &mut Findings) {
        let ours: HashSet<_> = self
            .found
            .iter()
            .flatten()
            .map(|span| &span.span_id)
            .collect();
        let of_llm = self.found[LLM_CALL].map(|call| {
            let others = |span: &&CapturedSpan| {
                ![CHATBOT, FAISS_WRAP].contains(&&*span.service) || span.span_id == call.span_id
            };
            let others: Trace<'_> = self.trace.iter().copied().filter(others).collect();
            below(&others, call)
                .into_iter()
                .map(str::to_owned)
                .collect::<HashSet<_>>()
        });
        for span in self.trace {
            let theirs = of_llm
                .as_ref()
                .is_some_and(|ids| ids.contains(&span.span_id));
            let twice = is_line(span);
            let declared = !twice && self.schema.span(&span.name).is_some();
            let replaced = self.replaced.contains(&*span.span_id);
            if ours.contains(&span.span_id) || theirs || declared || replaced {
                continue;
            }
            let kind = span.kind;
            findings.span(
                FindingId::UnexpectedSpan,
                &span.name,
                if twice {
                    format!("the {kind} span is there more than once")
                } else {
                    format!("the {kind} span is no part of a chat request")
                },
                "record the twelve spans of the contract, each once; declare what you add",
            );
        }
    }
}

/// Which span is which line. The best fit first, so that one that is wrong in one way is found
/// wrong rather than missing.
fn assign<'a>(trace: &[&'a CapturedSpan], replaced: &HashSet<&str>) -> Found<'a> {
    let mut found: Found<'a> = [None; 12];
    let mut taken = replaced.clone();
    for strictness in (0..4).rev() {
        for (at, node) in TREE.iter().enumerate() {
            if found[at].is_some() {
                continue;
            }
            let parent = node.parent.and_then(|at| found[at]);
            let fits = |span: &&&CapturedSpan| {
                let kind = span.kind == node.kind.name();
                let service = span.service == node.service;
                let under = match parent {
                    Some(parent) => span.parent_span_id.as_ref() == Some(&parent.span_id),
                    None => true,
                };
                span.name == node.name
                    && !taken.contains(span.span_id.as_str())
                    && usize::from(kind) + usize::from(service) + usize::from(under) >= strictness
            };
            if let Some(span) = trace.iter().find(fits) {
                taken.insert(&span.span_id);
                found[at] = Some(*span);
            }
        }
    }
    found
}

fn alone(service: &str, findings: &mut Findings) {
    findings.information(
        FindingId::MissingSpan,
        Signal::Span,
        service,
        "sent no span at all: its part of the chat requests was not compared",
        "let it export to the same place, to compare the whole request",
    );
}

fn check(node: &Node, span: &CapturedSpan, findings: &mut Findings) {
    if span.kind != node.kind.name() {
        findings.span(
            FindingId::WrongKind,
            node.name,
            format!("is of kind {}", span.kind),
            format!("start it with kind {}", node.kind.name()),
        );
    }
    if span.service != node.service {
        findings.span(
            FindingId::WrongService,
            node.name,
            format!("comes from the service `{}`", span.service),
            format!("name the service `{}`, or record it there", node.service),
        );
    }
    let key = PEER_SERVICE.name();
    if let Some(peer) = node.peer
        && span.text(key) != Some(peer)
    {
        let is = span
            .text(key)
            .map_or("is missing".to_owned(), |other| format!("is {other:?}"));
        findings.span(
            FindingId::WrongValue,
            node.name,
            format!("`{key}` {is}"),
            format!("write {peer:?}: the service graph needs it"),
        );
    }
}
