//! `hybrid.*`: search by words beside search by meaning.

llasta_telemetry::schema! {
    /// Hybrid retrieval.
    namespace hybrid;

    keys {
        /// Words that are searched for.
        TERMS: "hybrid.terms" => i64 { unit: "{term}", example: "4" },
        /// Results by words.
        TEXT_RESULTS: "hybrid.text_results" => i64 { unit: "{result}", example: "100" },
        /// Results by vectors.
        DENSE_RESULTS: "hybrid.dense_results" => i64 { unit: "{result}", example: "100" },
        /// Results of both, each once.
        FUSED_RESULTS: "hybrid.fused_results" => i64 { unit: "{result}", example: "163" },
    }

    spans {
        /// The texts with the query's words, by BM25.
        TextSearch: "hybrid.text_search" internal under "faiss.search" {
            start: TERMS;
            end: TEXT_RESULTS;
        }
        /// Both lists become one, by reciprocal rank.
        Fuse: "hybrid.fuse" internal under "faiss.search" {
            start: DENSE_RESULTS, TEXT_RESULTS;
            end: FUSED_RESULTS;
        }
    }
}
