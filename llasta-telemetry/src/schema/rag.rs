//! `rag.*`: retrieval, and the context built from it.

use super::twins;

crate::schema! {
    /// Retrieval-augmented generation.
    namespace rag;

    keys {
        /// User query.
        QUERY: "rag.query" => str { content, twin: twins::RETRIEVAL_QUERY, example: "What is monitored?" },
        /// Chunks requested.
        TOP_K: "rag.top_k" => i64 { unit: "{chunk}", twin: twins::RETRIEVAL_TOP_K, example: "5" },
        /// Similarity threshold, 0 to 1.
        MIN_SCORE: "rag.min_score" => f64 { unit: "1", example: "0.5" },
        /// Chunks the index returned.
        RESULTS_RAW_COUNT: "rag.results_raw_count" => i64 { unit: "{chunk}", example: "5" },
        /// Chunks left after the threshold.
        RESULTS_FILTERED_COUNT: "rag.results_filtered_count" => i64 { unit: "{chunk}", example: "3" },
        /// Lowest score of the filtered chunks.
        SCORE_MIN: "rag.score_min" => f64 { unit: "1", example: "0.62" },
        /// Highest score of the filtered chunks.
        SCORE_MAX: "rag.score_max" => f64 { unit: "1", example: "0.91" },
        /// Mean score of the filtered chunks.
        SCORE_AVG: "rag.score_avg" => f64 { unit: "1", example: "0.75" },
        /// Chunks that came in.
        INPUT_CHUNKS: "rag.input_chunks" => i64 { unit: "{chunk}", example: "3" },
        /// The cap on the context block, in Unicode scalar values.
        LIMIT_CHARS: "rag.limit_chars" => i64 { unit: "{character}", example: "4000" },
        /// Chunks that fit and go to the LLM.
        CHUNKS_SENT: "rag.chunks_sent" => i64 { unit: "{chunk}", example: "2" },
        /// Unicode scalar values in the context block.
        CONTEXT_CHARS: "rag.context_chars" => i64 { unit: "{character}", example: "1830" },
    }

    spans {
        /// Retrieval of the chunks that may answer the question.
        RetrieveContext: "rag.retrieve_context" internal under server {
            start: TOP_K, MIN_SCORE;
            optional: QUERY, RESULTS_RAW_COUNT, RESULTS_FILTERED_COUNT, SCORE_MIN, SCORE_MAX, SCORE_AVG;
            twin: super::otel::OPERATION_NAME = "retrieval";
        }
        /// Assembly of the context block.
        BuildContext: "rag.build_context" internal under server {
            start: INPUT_CHUNKS, LIMIT_CHARS;
            end: CHUNKS_SENT, CONTEXT_CHARS;
        }
    }
}
