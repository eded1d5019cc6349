//! `faiss.*`: vector search.

use super::{embedding, otel, twins};

crate::schema! {
    /// Vector search.
    namespace faiss;

    keys {
        /// Search query.
        QUERY: "faiss.query" => str { content, example: "What is monitored?" },
        /// Results requested.
        TOP_K: "faiss.top_k" => i64 { unit: "{result}", example: "5" },
        /// Vectors in the index.
        INDEX_SIZE: "faiss.index_size" => i64 { unit: "{vector}", example: "18234" },
        /// Results returned.
        RESULTS_COUNT: "faiss.results_count" => i64 { unit: "{result}", twin: twins::RETURNED_ROWS, example: "5" },
        /// Lowest score of the results.
        SCORE_MIN: "faiss.score_min" => f64 { unit: "1", example: "0.41" },
        /// Highest score of the results.
        SCORE_MAX: "faiss.score_max" => f64 { unit: "1", example: "0.91" },
        /// Mean score of the results.
        SCORE_AVG: "faiss.score_avg" => f64 { unit: "1", example: "0.63" },
        /// Neighbours the index returned, before their texts were fetched.
        RAW_RESULTS: "faiss.raw_results" => i64 { unit: "{result}", example: "5" },
        /// The index's factory string.
        INDEX_TYPE: "faiss.index_type" => str { example: "Flat" },
        /// Where the index was searched.
        DEVICE: "faiss.device" => str { example: "cpu", example: "cuda:0" },
    }

    spans {
        /// One search, from the query's text to the results.
        Search: "faiss.search" internal under server {
            start: TOP_K, INDEX_SIZE;
            end: RESULTS_COUNT;
            optional: QUERY, SCORE_MIN, SCORE_MAX, SCORE_AVG;
            twin: otel::DB_SYSTEM_NAME = "faiss";
            twin: otel::DB_OPERATION_NAME = "search";
        }
        /// The query becomes a vector.
        EmbedQuery: "faiss.embed_query" internal under "faiss.search" {
            start: embedding::MODEL, embedding::DIMENSION, embedding::TEXT_LENGTH;
            twin: otel::OPERATION_NAME = "embeddings";
        }
        /// The nearest neighbours of the vector.
        IndexSearch: "faiss.index_search" internal under "faiss.search" {
            start: INDEX_SIZE, TOP_K, INDEX_TYPE, DEVICE;
            end: RAW_RESULTS;
            twin: otel::DB_SYSTEM_NAME = "faiss";
            twin: otel::DB_OPERATION_NAME = "search";
        }
    }
}
