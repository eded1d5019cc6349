//! The twelve spans of one chat request.

use std::collections::{BTreeMap, HashSet};

use super::finding::{Finding, FindingId, Findings};
use crate::schema::http::PEER_SERVICE;
use crate::schema::{Kind, Schema, faiss, llm, rag, response};
use crate::testing::CapturedSpan;

const CHATBOT: &str = "chatbot-rag";
const FAISS_WRAP: &str = "faiss-wrap";

/// One line of the tree.
struct Node {
    name: &'static str,
    kind: Kind,
    service: &'static str,
    /// The line of the parent, which comes first.
    parent: Option<usize>,
    /// The neighbour a CLIENT span calls.
    peer: Option<&'static str>,
}

const fn node(
    name: &'static str,
    kind: Kind,
    service: &'static str,
    parent: Option<usize>,
    peer: Option<&'static str>,
) -> Node {
    Node {
        name,
        kind,
        service,
        parent,
        peer,
    }
}

/// The line of the CLIENT span under which the LLM's own spans may stand.
const LLM_CALL: usize = 9;

/// As the contract draws it, parents before their children.
static TREE: [Node; 12] = [
    node("POST /api/chat", Kind::Server, CHATBOT, None, None),
    node(
        rag::RetrieveContext::DEF.name,
        Kind::Internal,
        CHATBOT,
        Some(0),
        None,
    ),
    node(
        "POST /search",
        Kind::Client,
        CHATBOT,
        Some(1),
        Some(FAISS_WRAP),
    ),
    node("POST /search", Kind::Server, FAISS_WRAP, Some(2), None),
    node(
        faiss::Search::DEF.name,
        Kind::Internal,
        FAISS_WRAP,
        Some(3),
        None,
    ),
    node(
        faiss::EmbedQuery::DEF.name,
        Kind::Internal,
        FAISS_WRAP,
        Some(4),
        None,
    ),
    node(
        faiss::IndexSearch::DEF.name,
        Kind::Internal,
        FAISS_WRAP,
        Some(4),
        None,
    ),
    node(
        rag::BuildContext::DEF.name,
        Kind::Internal,
        CHATBOT,
        Some(0),
        None,
    ),
    node(
        llm::Generate::DEF.name,
        Kind::Internal,
        CHATBOT,
        Some(0),
        None,
    ),
    node(
        "POST /v1/chat/completions",
        Kind::Client,
        CHATBOT,
        Some(8),
        Some("vllm"),
    ),
    node(
        llm::Response::DEF.name,
        Kind::Internal,
        CHATBOT,
        Some(8),
        None,
    ),
    node(
        response::SendToFrontend::DEF.name,
        Kind::Internal,
        CHATBOT,
        Some(0),
        None,
    ),
];

/// Compares each chat request among these spans with the contract's tree: its twelve spans, each
/// once, of the right kind, from the right service and under the right parent, in one trace.
///
/// Streamed or not, the tree is the same. Spans of the LLM server's own may stand under the
/// request to it. Without any chat request, the trace that comes closest is compared.
///
/// Attributes are left to [`spans`](super::spans()); of the schema, this uses which spans it has.
pub fn chat_request(schema: &Schema, spans: &[CapturedSpan]) -> Vec<Finding> {
    let mut traces: BTreeMap<&str, Vec<&CapturedSpan>> = BTreeMap::new();
    for span in spans {
        traces.entry(&span.trace_id).or_default().push(span);
    }
    let is_chat = |span: &&CapturedSpan| span.name == TREE[0].name && span.kind == "SERVER";
    let mut chats: Vec<_> = traces
        .values()
        .filter(|trace| trace.iter().any(is_chat))
        .collect();
    if chats.is_empty() {
        chats.extend(traces.values().max_by_key(|trace| likeness(trace)));
    }
    let mut findings = Findings::default();
    for trace in &chats {
        compare(schema, trace, &mut findings);
    }
    if chats.is_empty() {
        compare(schema, &[], &mut findings);
    }
    findings.into_vec()
}

fn likeness(trace: &[&CapturedSpan]) -> usize {
    let named = |span: &&&CapturedSpan| TREE.iter().any(|node| node.name == span.name);
    trace.iter().filter(named).count()
}

fn compare(schema: &Schema, trace: &[&CapturedSpan], findings: &mut Findings) {
    let found = assign(trace);
    for (node, span) in TREE.iter().zip(&found) {
        let Some(span) = span else {
            let what = schema.span(node.name).map_or(
                "a request is made with the SDK's client, or answered behind its layer",
                |def| def.brief,
            );
            findings.span(
                FindingId::MissingSpan,
                node.name,
                format!(
                    "the {} span of {} is missing",
                    node.kind.name(),
                    node.service
                ),
                format!("record it, in the trace of the chat request: {what}"),
            );
            continue;
        };
        check(node, span, findings);
        // Without its parent, the finding is that the parent is missing.
        let parent = node.parent.and_then(|at| found[at].map(|span| (at, span)));
        if let Some((at, parent)) = parent
            && span.parent_span_id.as_ref() != Some(&parent.span_id)
        {
            let stands = trace
                .iter()
                .find(|other| Some(&other.span_id) == span.parent_span_id.as_ref())
                .map_or("no span of this trace".to_owned(), |other| {
                    format!("`{}` ({})", other.name, other.kind)
                });
            findings.span(
                FindingId::WrongParent,
                node.name,
                format!("the {} span stands under {stands}", node.kind.name()),
                format!(
                    "start it under `{}` ({})",
                    TREE[at].name,
                    TREE[at].kind.name()
                ),
            );
        }
    }
    unexpected(trace, &found, findings);
}

/// Which span is which line. The best fit first, so that one that is wrong in one way is found
/// wrong rather than missing.
fn assign<'a>(trace: &[&'a CapturedSpan]) -> [Option<&'a CapturedSpan>; 12] {
    let mut found: [Option<&CapturedSpan>; 12] = [None; 12];
    let mut taken: HashSet<&str> = HashSet::new();
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

/// Whatever is neither a line of the tree nor the LLM server's own.
fn unexpected(
    trace: &[&CapturedSpan],
    found: &[Option<&CapturedSpan>; 12],
    findings: &mut Findings,
) {
    let mut known: HashSet<&str> = HashSet::new();
    for span in found.iter().flatten() {
        known.insert(&span.span_id);
    }
    let mut of_llm: HashSet<&str> = HashSet::new();
    if let Some(call) = found[LLM_CALL] {
        of_llm.insert(&call.span_id);
    }
    // As long as something new turns up below the call: spans come in any order.
    loop {
        let before = of_llm.len();
        for span in trace
            .iter()
            .filter(|span| ![CHATBOT, FAISS_WRAP].contains(&&*span.service))
        {
            if span
                .parent_span_id
                .as_ref()
                .is_some_and(|parent| of_llm.contains(parent.as_str()))
            {
                of_llm.insert(&span.span_id);
            }
        }
        if of_llm.len() == before {
            break;
        }
    }
    for span in trace {
        let id = span.span_id.as_str();
        if known.contains(id) || of_llm.contains(id) {
            continue;
        }
        let twice = TREE.iter().any(|node| node.name == span.name);
        findings.span(
            FindingId::UnexpectedSpan,
            &span.name,
            if twice {
                format!("the {} span is there more than once", span.kind)
            } else {
                format!("the {} span is no part of a chat request", span.kind)
            },
            "record the twelve spans of the contract, each once",
        );
    }
}
