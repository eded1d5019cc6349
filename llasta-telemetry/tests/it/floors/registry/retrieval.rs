//! Another team's retrieval, in the namespace of the contract's.

llasta_telemetry::schema! {
    /// Retrieval, once more.
    namespace rag;

    keys {
        /// Pages requested.
        PAGES: "rag.pages" => i64 { unit: "{page}" },
        /// Not theirs to declare again.
        TOP_K: "rag.top_k" => i64,
    }
}
