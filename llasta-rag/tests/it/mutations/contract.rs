//! What the contract lists in its sections 1 to 4, spelled out once more: a second opinion on the
//! schema, which the tests must not take their names from.

/// Section 1: name, kind, service, and the line of the parent.
pub(crate) const TREE: [(&str, &str, &str, Option<usize>); 12] = [
    ("POST /api/chat", "SERVER", "chatbot-rag", None),
    ("rag.retrieve_context", "INTERNAL", "chatbot-rag", Some(0)),
    ("POST /search", "CLIENT", "chatbot-rag", Some(1)),
    ("POST /search", "SERVER", "faiss-wrap", Some(2)),
    ("faiss.search", "INTERNAL", "faiss-wrap", Some(3)),
    ("faiss.embed_query", "INTERNAL", "faiss-wrap", Some(4)),
    ("faiss.index_search", "INTERNAL", "faiss-wrap", Some(4)),
    ("rag.build_context", "INTERNAL", "chatbot-rag", Some(0)),
    ("vllm.generate", "INTERNAL", "chatbot-rag", Some(0)),
    (
        "POST /v1/chat/completions",
        "CLIENT",
        "chatbot-rag",
        Some(8),
    ),
    ("vllm.response", "INTERNAL", "chatbot-rag", Some(8)),
    (
        "response.send_to_frontend",
        "INTERNAL",
        "chatbot-rag",
        Some(0),
    ),
];

/// Section 2: span, attribute, type; `!` is always there.
const ATTRIBUTES: &str = "
    rag.retrieve_context | rag.query string, rag.top_k int !, rag.min_score double !
    rag.retrieve_context | rag.results_raw_count int, rag.results_filtered_count int
    rag.retrieve_context | rag.score_min double, rag.score_max double, rag.score_avg double
    rag.build_context | rag.input_chunks int !, rag.limit_chars int !
    rag.build_context | rag.chunks_sent int !, rag.context_chars int !
    vllm.generate | llm.model string !, llm.messages_count int !, llm.request_size int !
    vllm.generate | llm.temperature double, llm.max_tokens int, llm.stream bool !
    vllm.generate | llm.tokens_prompt int, llm.tokens_completion int, llm.tokens_total int
    vllm.generate | llm.time_to_first_token double, llm.time_per_output_token double
    vllm.generate | llm.finish_reason string
    vllm.response | llm.response_chars int !, llm.thinking_chars int !, llm.final_chars int !
    vllm.response | llm.has_thinking bool !
    vllm.response | llm.tokens_prompt int, llm.tokens_completion int, llm.tokens_total int
    response.send_to_frontend | response.size int !, response.final_chars int !
    response.send_to_frontend | response.has_thinking bool !
    faiss.search | faiss.query string, faiss.top_k int !, faiss.index_size int !
    faiss.search | faiss.results_count int !
    faiss.search | faiss.score_min double, faiss.score_max double, faiss.score_avg double
    faiss.embed_query | embedding.model string !, embedding.dimension int !
    faiss.embed_query | embedding.text_length int !
    faiss.index_search | faiss.index_size int !, faiss.top_k int !, faiss.raw_results int !
    faiss.index_search | faiss.index_type string !, faiss.device string !
";

/// One attribute of section 2.
pub(super) struct Attribute {
    pub(super) span: &'static str,
    pub(super) name: &'static str,
    pub(super) ty: &'static str,
    pub(super) always: bool,
}

pub(super) fn attributes() -> Vec<Attribute> {
    let lines = ATTRIBUTES
        .lines()
        .filter_map(|line| line.trim().split_once(" | "));
    let one = |span: &'static str, text: &'static str| {
        let words: Vec<_> = text.split(' ').collect();
        Attribute {
            span,
            name: words[0],
            ty: words[1],
            always: words.get(2) == Some(&"!"),
        }
    };
    lines
        .flat_map(|(span, all)| all.split(", ").map(move |text| one(span, text)))
        .collect()
}

/// Section 2: attributes of HTTP spans that are always there, and those that are there in what is
/// captured here.
pub(super) const HTTP: &[(&str, &str, &str, bool)] = &[
    ("SERVER", "http.request.method", "string", true),
    ("SERVER", "url.path", "string", true),
    ("SERVER", "url.scheme", "string", true),
    ("SERVER", "http.response.status_code", "int", true),
    ("SERVER", "server.address", "string", true),
    ("SERVER", "network.protocol.version", "string", true),
    ("SERVER", "server.port", "int", false),
    ("SERVER", "http.route", "string", false),
    ("SERVER", "user_agent.original", "string", false),
    ("CLIENT", "http.request.method", "string", true),
    ("CLIENT", "url.full", "string", true),
    ("CLIENT", "server.address", "string", true),
    ("CLIENT", "server.port", "int", true),
    ("CLIENT", "url.template", "string", true),
    ("CLIENT", "http.response.status_code", "int", true),
    ("CLIENT", "peer.service", "string", false),
];

/// Section 2, twins: our attribute, OpenTelemetry's, and the spans that bear both.
pub(super) const TWINS: &[(&str, &str, &str)] = &[
    ("vllm.generate", "llm.model", "gen_ai.request.model"),
    (
        "vllm.generate",
        "llm.tokens_prompt",
        "gen_ai.usage.input_tokens",
    ),
    (
        "vllm.generate",
        "llm.tokens_completion",
        "gen_ai.usage.output_tokens",
    ),
    (
        "vllm.generate",
        "llm.temperature",
        "gen_ai.request.temperature",
    ),
    (
        "vllm.generate",
        "llm.max_tokens",
        "gen_ai.request.max_tokens",
    ),
    (
        "vllm.generate",
        "llm.finish_reason",
        "gen_ai.response.finish_reasons",
    ),
    (
        "vllm.generate",
        "llm.time_to_first_token",
        "gen_ai.response.time_to_first_chunk",
    ),
    ("vllm.generate", "llm.stream", "gen_ai.request.stream"),
    (
        "vllm.response",
        "llm.tokens_prompt",
        "gen_ai.usage.input_tokens",
    ),
    (
        "vllm.response",
        "llm.tokens_completion",
        "gen_ai.usage.output_tokens",
    ),
    (
        "faiss.embed_query",
        "embedding.model",
        "gen_ai.request.model",
    ),
    (
        "faiss.embed_query",
        "embedding.dimension",
        "gen_ai.embeddings.dimension.count",
    ),
    (
        "rag.retrieve_context",
        "rag.top_k",
        "gen_ai.retrieval.top_k",
    ),
    (
        "rag.retrieve_context",
        "rag.query",
        "gen_ai.retrieval.query.text",
    ),
    (
        "faiss.search",
        "faiss.results_count",
        "db.response.returned_rows",
    ),
];

/// Section 2, twins: what goes with a span under OpenTelemetry's names.
pub(super) const FIXED: &[(&str, &str, &str)] = &[
    ("vllm.generate", "gen_ai.operation.name", "chat"),
    ("vllm.generate", "gen_ai.provider.name", "vllm"),
    ("faiss.embed_query", "gen_ai.operation.name", "embeddings"),
    ("rag.retrieve_context", "gen_ai.operation.name", "retrieval"),
    ("faiss.search", "db.system.name", "faiss"),
    ("faiss.search", "db.operation.name", "search"),
    ("faiss.index_search", "db.system.name", "faiss"),
    ("faiss.index_search", "db.operation.name", "search"),
];

/// Section 2: what the resource says of a service.
pub(super) const RESOURCE: [&str; 6] = [
    "service.name",
    "service.version",
    "service.instance.id",
    "telemetry.sdk.name",
    "telemetry.sdk.language",
    "telemetry.sdk.version",
];

/// Section 3: service, metric, type, labels.
const METRICS: &str = "
    chatbot-rag | chatbot_requests_total | counter | endpoint status
    chatbot-rag | chatbot_request_duration_seconds | histogram | endpoint
    chatbot-rag | chatbot_requests_in_flight | gauge | endpoint
    chatbot-rag | chatbot_time_to_first_byte_seconds | histogram | endpoint
    chatbot-rag | chatbot_vllm_requests_total | counter | status
    chatbot-rag | chatbot_faiss_requests_total | counter | status
    chatbot-rag | chatbot_rag_chunks_sent | histogram |
    chatbot-rag | chatbot_rag_chunks_total | counter |
    chatbot-rag | chatbot_llm_tokens_total | counter | model type
    chatbot-rag | chatbot_llm_time_to_first_token_seconds | histogram | model
    chatbot-rag | chatbot_llm_time_per_output_token_seconds | histogram | model
    faiss-wrap | faiss_wrap_requests_total | counter | endpoint status
    faiss-wrap | faiss_wrap_request_latency_seconds | histogram | endpoint
    faiss-wrap | faiss_wrap_requests_in_flight | gauge | endpoint
    faiss-wrap | faiss_wrap_upserts_total | counter |
    faiss-wrap | faiss_wrap_search_total | counter |
    faiss-wrap | faiss_wrap_search_results_total | counter |
    faiss-wrap | faiss_wrap_search_results_count | histogram |
    faiss-wrap | faiss_wrap_index_size | gauge |
    faiss-wrap | faiss_wrap_metadata_size | gauge |
    faiss-wrap | faiss_wrap_embedding_dimension | gauge |
    vllm | vllm_request_duration_seconds | histogram | model_name
    vllm | vllm_tokens_generated_total | counter | model_name
    vllm | vllm_active_requests | gauge | model_name
    vllm | vllm_queue_size | gauge | model_name
    * | llasta_telemetry_spans_total | counter | result
    * | llasta_telemetry_export_queue_length | gauge |
    * | llasta_telemetry_export_queue_capacity | gauge |
    * | llasta_build_info | gauge | service version
";

/// The services that have a metrics page.
pub(super) const SERVICES: [&str; 3] = ["chatbot-rag", "faiss-wrap", "vllm"];

/// One metric of section 3, on one page.
pub(super) struct Metric {
    pub(super) service: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) labels: Vec<&'static str>,
}

pub(super) fn metrics() -> Vec<Metric> {
    let mut all = Vec::new();
    for line in METRICS
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [service, name, kind, labels] = cells[..] else {
            panic!("{line}");
        };
        for page in SERVICES
            .iter()
            .filter(|page| service == "*" || service == **page)
        {
            all.push(Metric {
                service: page,
                name,
                kind,
                labels: labels.split_whitespace().collect(),
            });
        }
    }
    all
}

/// Section 4: the fields of every line.
pub(super) const FIELDS: [&str; 5] = ["timestamp", "level", "target", "message", "service.name"];
