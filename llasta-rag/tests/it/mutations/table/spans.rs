//! Section 1: one chat request, as spans.

use llasta_telemetry::testing::conform::FindingId::*;

use super::{
    Break, CALL, CHAT, CONTEXT, EMBED, GENERATE, INDEX, LLM, RESPONSE, RETRIEVE, SEARCH, SECOND,
    SEND, SERVED, broken, set, text, unset,
};

pub(super) const BREAKS: &[Break] = &[
    broken(
        "POST /api/chat SERVER",
        "named by its path",
        (WrongName, "/api/chat"),
        |c| {
            c.spans(CHAT.0, CHAT.1)
                .into_iter()
                .for_each(|span| span.name = "/api/chat".to_owned());
        },
    ),
    broken(
        "POST /api/chat SERVER",
        "of kind INTERNAL",
        (WrongKind, CHAT.0),
        |c| {
            c.spans(CHAT.0, CHAT.1)
                .into_iter()
                .for_each(|span| span.kind = "INTERNAL");
        },
    ),
    broken(
        "rag.retrieve_context",
        "renamed",
        (MissingSpan, RETRIEVE.0),
        |c| {
            c.spans(RETRIEVE.0, "")
                .into_iter()
                .for_each(|span| span.name = "rag.retrieve".to_owned());
        },
    ),
    broken(
        "rag.retrieve_context",
        "renamed, in a namespace of ours",
        (UndeclaredSpan, "rag.retrieve"),
        |c| {
            c.spans(RETRIEVE.0, "")
                .into_iter()
                .for_each(|span| span.name = "rag.retrieve".to_owned());
        },
    ),
    broken(
        "W3C traceparent out",
        "faiss-wrap begins a trace of its own",
        (WrongParent, SERVED.0),
        |c| {
            c.spans(SERVED.0, SERVED.1)
                .into_iter()
                .for_each(|span| span.parent_span_id = None);
        },
    ),
    broken(
        "W3C traceparent out",
        "faiss-wrap's spans lie in another trace",
        (MissingSpan, SEARCH.0),
        |c| {
            let of_index =
                |span: &&mut llasta_telemetry::testing::CapturedSpan| span.service == "faiss-wrap";
            for span in c.evidence.spans.iter_mut().filter(of_index) {
                span.trace_id = "000000000000000000000000000000aa".to_owned();
            }
        },
    ),
    broken(
        "POST /search SERVER faiss-wrap",
        "of chatbot-rag",
        (WrongService, SERVED.0),
        |c| {
            c.spans(SERVED.0, SERVED.1)
                .into_iter()
                .for_each(|span| span.service = "chatbot-rag".to_owned());
        },
    ),
    broken(
        "faiss.embed_query under faiss.search",
        "under the SERVER span",
        (WrongParent, EMBED.0),
        |c| {
            let served: Vec<_> = c
                .spans(SERVED.0, SERVED.1)
                .iter()
                .map(|span| (span.trace_id.clone(), span.span_id.clone()))
                .collect();
            for span in c.spans(EMBED.0, "") {
                let parent = served
                    .iter()
                    .find(|(trace, _)| *trace == span.trace_id)
                    .unwrap();
                span.parent_span_id = Some(parent.1.clone());
            }
        },
    ),
    broken(
        "faiss.index_search",
        "not recorded",
        (MissingSpan, INDEX.0),
        |c| {
            c.evidence.spans.retain(|span| span.name != INDEX.0);
        },
    ),
    broken(
        "vllm.generate INTERNAL",
        "of kind CLIENT",
        (WrongKind, GENERATE.0),
        |c| {
            c.spans(GENERATE.0, "")
                .into_iter()
                .for_each(|span| span.kind = "CLIENT");
        },
    ),
    broken(
        "vllm.response under vllm.generate",
        "begins a trace of its own",
        (WrongParent, RESPONSE.0),
        |c| {
            c.spans(RESPONSE.0, "")
                .into_iter()
                .for_each(|span| span.parent_span_id = None);
        },
    ),
    broken(
        "response.send_to_frontend chatbot-rag",
        "of a service of its own",
        (WrongService, SEND.0),
        |c| {
            c.spans(SEND.0, "")
                .into_iter()
                .for_each(|span| span.service = "frontend".to_owned());
        },
    ),
    broken(
        "the tree",
        "a span that is none of it",
        (UnexpectedSpan, "rerank"),
        |c| {
            let mut more = c.spans(CONTEXT.0, "")[0].clone();
            more.name = "rerank".to_owned();
            more.span_id = "00000000000000aa".to_owned();
            more.attributes.clear();
            c.evidence.spans.push(more);
        },
    ),
    broken(
        "the tree",
        "the context is built twice",
        (UnexpectedSpan, CONTEXT.0),
        |c| {
            let mut more = c.spans(CONTEXT.0, "")[0].clone();
            more.span_id = "00000000000000aa".to_owned();
            c.evidence.spans.push(more);
        },
    ),
    broken(
        "the client span lasts until the last token",
        "it ends with the head of the answer",
        (WrongTime, LLM.0),
        |c| {
            c.spans(LLM.0, "")
                .into_iter()
                .for_each(|span| span.end_unix_nano = span.start_unix_nano);
        },
    ),
    broken(
        "the SERVER span lasts until the last byte",
        "it ends with the head of the answer",
        (WrongTime, SEND.0),
        |c| {
            c.spans(CHAT.0, "")
                .into_iter()
                .for_each(|span| span.end_unix_nano = span.start_unix_nano);
        },
    ),
    broken(
        "vllm.generate lasts until the last token",
        "it ends before the response does",
        (WrongTime, RESPONSE.0),
        |c| {
            c.spans(RESPONSE.0, "")
                .into_iter()
                .for_each(|span| span.end_unix_nano += SECOND);
        },
    ),
    broken(
        "the tree",
        "a child begins before its parent",
        (WrongTime, SEARCH.0),
        |c| {
            c.spans(SEARCH.0, "")
                .into_iter()
                .for_each(|span| span.start_unix_nano -= SECOND);
        },
    ),
    broken(
        "METHOD {http.route}",
        "named by the path that was asked for",
        (WrongName, "POST /upsert?now"),
        |c| {
            c.spans("POST /upsert", "SERVER")
                .into_iter()
                .for_each(|span| span.name = "POST /upsert?now".to_owned());
        },
    ),
    broken(
        "client spans must carry url.template",
        "none",
        (MissingAttribute, CALL.0),
        |c| unset(c, CALL, "url.template"),
    ),
    broken(
        "client spans must carry url.template",
        "the path with an id",
        (HighCardinality, CALL.0),
        |c| {
            set(c, CALL, "url.template", text("/search/4711"));
        },
    ),
    broken(
        "no INTERNAL span carries http.request.method",
        "it does",
        (ForbiddenAttribute, GENERATE.0),
        |c| {
            set(c, GENERATE, "http.request.method", text("POST"));
        },
    ),
];
