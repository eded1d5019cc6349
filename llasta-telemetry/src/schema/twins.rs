//! One table: which OpenTelemetry attribute says the same as one of ours.
//!
//! Both names are emitted by default; [`Names`](crate::Names) chooses. The generative-AI names
//! follow semantic-conventions-genai 0.1.0, the database names semantic-conventions 1.44.0. They
//! were renamed twice in 2026: a new version changes this file and nothing else.

use super::{TwinDef, TwinForm, otel};

macro_rules! twins {
    ($($(#[$doc:meta])* $name:ident = $key:ident as $form:ident;)*) => {
        $(
            $(#[$doc])*
            pub const $name: &TwinDef = &TwinDef { key: otel::$key.def(), form: TwinForm::$form };
        )*
    };
}

twins! {
    /// `rag.query`
    RETRIEVAL_QUERY = RETRIEVAL_QUERY_TEXT as Same;
    /// `rag.top_k`
    RETRIEVAL_TOP_K = RETRIEVAL_TOP_K as Same;
    /// `llm.model`, `embedding.model`
    REQUEST_MODEL = REQUEST_MODEL as Same;
    /// `llm.temperature`
    TEMPERATURE = REQUEST_TEMPERATURE as Same;
    /// `llm.max_tokens`
    MAX_TOKENS = REQUEST_MAX_TOKENS as Same;
    /// `llm.stream`
    STREAM = REQUEST_STREAM as WhenTrue;
    /// `llm.tokens_prompt`
    INPUT_TOKENS = USAGE_INPUT_TOKENS as Same;
    /// `llm.tokens_completion`
    OUTPUT_TOKENS = USAGE_OUTPUT_TOKENS as Same;
    /// `llm.time_to_first_token`
    TIME_TO_FIRST_CHUNK = RESPONSE_TIME_TO_FIRST_CHUNK as Same;
    /// `llm.finish_reason`
    FINISH_REASONS = RESPONSE_FINISH_REASONS as ListOfOne;
    /// `llm.input_messages`
    INPUT_MESSAGES = INPUT_MESSAGES as Same;
    /// `llm.output_messages`
    OUTPUT_MESSAGES = OUTPUT_MESSAGES as Same;
    /// `embedding.dimension`
    EMBEDDING_DIMENSIONS = EMBEDDINGS_DIMENSION_COUNT as Same;
    /// `faiss.results_count`
    RETURNED_ROWS = DB_RESPONSE_RETURNED_ROWS as Same;
}
