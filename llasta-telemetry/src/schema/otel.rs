//! OpenTelemetry's generative-AI and database names, as far as they are emitted beside our own, and
//! the two that come from baggage.
//!
//! Those of generative AI follow semantic-conventions-genai 0.1.0 and are still in development;
//! those of databases follow semantic-conventions 1.44.0. [`twins`](super::twins) is the mapping.

crate::schema! {
    /// OpenTelemetry's names for generative AI and databases.
    foreign namespace gen_ai;

    keys {
        /// What is done: chat, retrieval or embeddings.
        OPERATION_NAME: "gen_ai.operation.name" => str { development, example: "chat" },
        /// Who serves the model.
        PROVIDER_NAME: "gen_ai.provider.name" => str { development, example: "vllm" },
        /// Model name asked for.
        REQUEST_MODEL: "gen_ai.request.model" => str { development, example: "Qwen/Qwen3-8B" },
        /// Sampling temperature.
        REQUEST_TEMPERATURE: "gen_ai.request.temperature" => f64 { development, example: "0.7" },
        /// Cap on the completion's tokens.
        REQUEST_MAX_TOKENS: "gen_ai.request.max_tokens" => i64 { development, example: "512" },
        /// Whether the answer is streamed; only written when it is.
        REQUEST_STREAM: "gen_ai.request.stream" => bool { development, example: "true" },
        /// Tokens the model read.
        USAGE_INPUT_TOKENS: "gen_ai.usage.input_tokens" => i64 { development, unit: "{token}", example: "250" },
        /// Tokens the model wrote.
        USAGE_OUTPUT_TOKENS: "gen_ai.usage.output_tokens" => i64 { development, unit: "{token}", example: "100" },
        /// Why the model stopped, one for each choice.
        RESPONSE_FINISH_REASONS: "gen_ai.response.finish_reasons" => Strings { development, example: "stop" },
        /// Time to the first chunk of a streamed answer.
        RESPONSE_TIME_TO_FIRST_CHUNK: "gen_ai.response.time_to_first_chunk" => f64 { development, unit: "s", example: "0.21" },
        /// Dimensions of the vectors.
        EMBEDDINGS_DIMENSION_COUNT: "gen_ai.embeddings.dimension.count" => i64 { development, example: "1024" },
        /// Documents requested.
        RETRIEVAL_TOP_K: "gen_ai.retrieval.top_k" => i64 { development, example: "5" },
        /// User query.
        RETRIEVAL_QUERY_TEXT: "gen_ai.retrieval.query.text" => str { development, content, example: "What is monitored?" },
        /// The messages sent.
        INPUT_MESSAGES: "gen_ai.input.messages" => str { development, content, example: "[]" },
        /// The messages received.
        OUTPUT_MESSAGES: "gen_ai.output.messages" => str { development, content, example: "[]" },
        /// The conversation that a request belongs to.
        CONVERSATION_ID: "gen_ai.conversation.id" => str { development, example: "c-17" },
        /// The session of the user's that a request belongs to.
        SESSION_ID: "session.id" => str { development, example: "s-2f6c" },
        /// The database's name.
        DB_SYSTEM_NAME: "db.system.name" => str { example: "faiss" },
        /// What was done in the database.
        DB_OPERATION_NAME: "db.operation.name" => str { example: "search" },
        /// Rows the database returned.
        DB_RESPONSE_RETURNED_ROWS: "db.response.returned_rows" => i64 { development, unit: "{row}", example: "5" },
    }
}
