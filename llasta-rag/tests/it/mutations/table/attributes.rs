//! Section 2: attributes.

use llasta_telemetry::testing::AttributeValue::{Bool, Double, Int, Strings};
use llasta_telemetry::testing::conform::FindingId::*;

use super::{
    Break, CALL, CHAT, CONTEXT, EMBED, GENERATE, INDEX, LLM, RESPONSE, RETRIEVE, SEARCH, SEND,
    SERVED, broken, renamed, set, text, unset,
};

pub(super) const BREAKS: &[Break] = &[
    broken(
        "rag.query",
        "under OpenTelemetry's name alone",
        (MissingAttribute, RETRIEVE.0),
        |c| unset(c, RETRIEVE, "rag.query"),
    ),
    broken(
        "rag.top_k int",
        "a double",
        (TypeMismatch, RETRIEVE.0),
        |c| set(c, RETRIEVE, "rag.top_k", Double(5.0)),
    ),
    broken(
        "rag.top_k !",
        "missing",
        (MissingAttribute, RETRIEVE.0),
        |c| unset(c, RETRIEVE, "rag.top_k"),
    ),
    broken(
        "rag.min_score 0..1",
        "in percent",
        (WrongValue, RETRIEVE.0),
        |c| set(c, RETRIEVE, "rag.min_score", Double(50.0)),
    ),
    broken(
        "rag.results_raw_count",
        "missing",
        (MissingAttribute, RETRIEVE.0),
        |c| unset(c, RETRIEVE, "rag.results_raw_count"),
    ),
    broken(
        "rag.results_filtered_count",
        "more than the index returned",
        (WrongValue, RETRIEVE.0),
        |c| {
            set(c, RETRIEVE, "rag.results_filtered_count", Int(99));
        },
    ),
    broken(
        "rag.score_avg",
        "missing beside the others",
        (MissingAttribute, RETRIEVE.0),
        |c| unset(c, RETRIEVE, "rag.score_avg"),
    ),
    broken(
        "rag.score_min over the filtered chunks",
        "more than the highest",
        (WrongValue, RETRIEVE.0),
        |c| {
            set(c, RETRIEVE, "rag.score_min", Double(1.5));
        },
    ),
    broken(
        "rag.score_* absent when there are none",
        "there",
        (WrongValue, RETRIEVE.0),
        |c| {
            set(c, RETRIEVE, "rag.results_filtered_count", Int(0));
        },
    ),
    broken(
        "rag.chunks_sent",
        "more than came in",
        (WrongValue, CONTEXT.0),
        |c| set(c, CONTEXT, "rag.chunks_sent", Int(99)),
    ),
    broken(
        "rag.context_chars",
        "more than the cap",
        (WrongValue, CONTEXT.0),
        |c| set(c, CONTEXT, "rag.context_chars", Int(1 << 40)),
    ),
    broken(
        "rag.input_chunks",
        "other chunks than were found",
        (WrongValue, CONTEXT.0),
        |c| set(c, CONTEXT, "rag.input_chunks", Int(77)),
    ),
    broken(
        "llm.model",
        "renamed",
        (UnknownAttribute, GENERATE.0),
        |c| renamed(c, GENERATE, "llm.model", "llm.model_name"),
    ),
    broken(
        "llm.stream bool",
        "a text",
        (TypeMismatch, GENERATE.0),
        |c| set(c, GENERATE, "llm.stream", text("true")),
    ),
    broken(
        "llm.temperature double",
        "an int",
        (TypeMismatch, GENERATE.0),
        |c| set(c, GENERATE, "llm.temperature", Int(1)),
    ),
    broken(
        "llm.tokens_prompt",
        "other tokens on the response",
        (WrongValue, RESPONSE.0),
        |c| set(c, RESPONSE, "llm.tokens_prompt", Int(1)),
    ),
    broken(
        "llm.time_to_first_token double",
        "milliseconds as an int",
        (TypeMismatch, GENERATE.0),
        |c| {
            set(c, GENERATE, "llm.time_to_first_token", Int(210));
        },
    ),
    broken(
        "llm.time_to_first_token of streamed requests",
        "on every request",
        (WrongValue, GENERATE.0),
        |c| {
            set(c, GENERATE, "llm.time_to_first_token", Double(0.2));
        },
    ),
    broken(
        "llm.time_to_first_token of streamed requests",
        "on none",
        (MissingAttribute, GENERATE.0),
        |c| {
            unset(c, GENERATE, "llm.time_to_first_token");
            unset(c, GENERATE, "gen_ai.response.time_to_first_chunk");
        },
    ),
    broken(
        "vllm.response",
        "an attribute of another span",
        (UnknownAttribute, RESPONSE.0),
        |c| set(c, RESPONSE, "llm.model", text("a")),
    ),
    broken("response.size int", "a text", (TypeMismatch, SEND.0), |c| {
        set(c, SEND, "response.size", text("12"));
    }),
    broken(
        "faiss.results_count !",
        "missing",
        (MissingAttribute, SEARCH.0),
        |c| unset(c, SEARCH, "faiss.results_count"),
    ),
    broken(
        "faiss.score_max",
        "missing beside the others",
        (MissingAttribute, SEARCH.0),
        |c| unset(c, SEARCH, "faiss.score_max"),
    ),
    broken(
        "faiss.*",
        "one that nobody declares",
        (UnknownAttribute, INDEX.0),
        |c| set(c, INDEX, "faiss.nprobe", Int(8)),
    ),
    broken(
        "embedding.dimension",
        "renamed",
        (MissingAttribute, EMBED.0),
        |c| renamed(c, EMBED, "embedding.dimension", "embedding.dimensions"),
    ),
    broken(
        "faiss.device",
        "missing",
        (MissingAttribute, INDEX.0),
        |c| unset(c, INDEX, "faiss.device"),
    ),
    broken(
        "http.response.status_code int",
        "a text",
        (TypeMismatch, CHAT.0),
        |c| set(c, CHAT, "http.response.status_code", text("200")),
    ),
    broken(
        "http.route",
        "the path with an id",
        (HighCardinality, "POST /users/42"),
        |c| {
            set(
                c,
                ("POST /upsert", "SERVER"),
                "http.route",
                text("/users/42"),
            );
            c.spans("POST /upsert", "SERVER")
                .into_iter()
                .for_each(|span| span.name = "POST /users/42".to_owned());
        },
    ),
    broken(
        "http.request.method",
        "its old name",
        (MissingAttribute, CHAT.0),
        |c| renamed(c, CHAT, "http.request.method", "http.method"),
    ),
    broken(
        "url.full with credentials removed",
        "with credentials",
        (WrongValue, CALL.0),
        |c| {
            set(
                c,
                CALL,
                "url.full",
                text("http://me:secret@faiss-wrap:9000/search"),
            );
        },
    ),
    broken(
        "peer.service faiss-wrap",
        "missing",
        (WrongValue, CALL.0),
        |c| unset(c, CALL, "peer.service"),
    ),
    broken(
        "peer.service vllm",
        "another name",
        (WrongValue, LLM.0),
        |c| set(c, LLM, "peer.service", text("llm")),
    ),
    broken(
        "5xx sets Error",
        "it does not",
        (WrongStatus, SERVED.0),
        |c| set(c, SERVED, "http.response.status_code", Int(503)),
    ),
    broken(
        "4xx leaves the status unset",
        "it sets Error",
        (WrongStatus, "GET"),
        |c| {
            for span in c.spans("GET", "SERVER") {
                assert_eq!(span.int("http.response.status_code"), Some(404));
                span.status = "error";
                span.attributes.insert("error.type".to_owned(), text("404"));
            }
        },
    ),
    broken(
        "client: 4xx sets Error too",
        "it does not",
        (WrongStatus, CALL.0),
        |c| set(c, CALL, "http.response.status_code", Int(422)),
    ),
    broken(
        "an unknown method is _OTHER",
        "it is as it came",
        (WrongValue, CHAT.0),
        |c| set(c, CHAT, "http.request.method", text("BREW")),
    ),
    broken(
        "without a route no http.route",
        "the path instead",
        (WrongName, "GET"),
        |c| set(c, ("GET", "SERVER"), "http.route", text("/nothing")),
    ),
    broken(
        "a failed span has error.type",
        "it has none",
        (MissingAttribute, INDEX.0),
        |c| {
            c.spans(INDEX.0, "")
                .into_iter()
                .for_each(|span| span.status = "error");
        },
    ),
    broken(
        "error.type is a low-cardinality word",
        "a sentence",
        (HighCardinality, SEARCH.0),
        |c| {
            c.spans(SEARCH.0, "")
                .into_iter()
                .for_each(|span| span.status = "error");
            set(
                c,
                SEARCH,
                "error.type",
                text("cannot read /data/index-4711: permission denied"),
            );
        },
    ),
    broken(
        "error.message at most 100 characters",
        "a page of them",
        (WrongValue, SEARCH.0),
        |c| {
            set(c, SEARCH, "error.message", text(&"no ".repeat(100)));
        },
    ),
    broken(
        "llm.model twin",
        "missing",
        (MissingAttribute, GENERATE.0),
        |c| unset(c, GENERATE, "gen_ai.request.model"),
    ),
    broken(
        "gen_ai.operation.name = chat",
        "another word",
        (WrongValue, GENERATE.0),
        |c| {
            set(
                c,
                GENERATE,
                "gen_ai.operation.name",
                text("text_completion"),
            );
        },
    ),
    broken(
        "gen_ai.response.finish_reasons (array)",
        "a text",
        (TypeMismatch, GENERATE.0),
        |c| {
            set(c, GENERATE, "gen_ai.response.finish_reasons", text("stop"));
        },
    ),
    broken(
        "gen_ai.response.finish_reasons (array)",
        "another reason",
        (WrongValue, GENERATE.0),
        |c| {
            set(
                c,
                GENERATE,
                "gen_ai.response.finish_reasons",
                Strings(vec!["length!".to_owned()]),
            );
        },
    ),
    broken(
        "gen_ai.request.stream only when true",
        "false",
        (WrongValue, GENERATE.0),
        |c| {
            for span in c.spans(GENERATE.0, "") {
                span.attributes
                    .entry("gen_ai.request.stream".to_owned())
                    .or_insert(Bool(false));
            }
        },
    ),
    broken(
        "db.system.name = faiss",
        "missing",
        (MissingAttribute, INDEX.0),
        |c| unset(c, INDEX, "db.system.name"),
    ),
    broken(
        "db.response.returned_rows",
        "other rows",
        (WrongValue, SEARCH.0),
        |c| set(c, SEARCH, "db.response.returned_rows", Int(9)),
    ),
    broken(
        "resource service.version",
        "missing",
        (MissingAttribute, "faiss-wrap"),
        |c| {
            c.spans(SEARCH.0, "")
                .into_iter()
                .for_each(|span| drop(span.resource.remove("service.version")));
        },
    ),
    broken(
        "resource service.name",
        "missing",
        (MissingAttribute, "(no service)"),
        |c| {
            for span in &mut c.evidence.spans {
                span.service.clear();
                span.resource.remove("service.name");
            }
        },
    ),
];
