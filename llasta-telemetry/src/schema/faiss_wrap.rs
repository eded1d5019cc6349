//! The metrics of faiss-wrap.

use super::buckets::{INDEX_SECONDS, SEARCH_RESULTS};
use super::labels::{IndexEndpoint, Outcome};

crate::schema! {
    /// Metrics of faiss-wrap.
    namespace faiss_wrap of "faiss-wrap";

    metrics FaissWrapMetrics {
        /// Requests by the way they ended.
        counter requests: "faiss_wrap_requests_total" { endpoint: IndexEndpoint, status: Outcome },
        /// Seconds from the first byte in to the last byte out.
        histogram request_latency: "faiss_wrap_request_latency_seconds" { endpoint: IndexEndpoint } buckets(INDEX_SECONDS) unit("s"),
        /// Requests being answered.
        gauge requests_in_flight: "faiss_wrap_requests_in_flight" { endpoint: IndexEndpoint },
        /// Items upserted.
        counter upserts: "faiss_wrap_upserts_total",
        /// Searches performed.
        counter searches: "faiss_wrap_search_total",
        /// Results returned.
        counter search_results: "faiss_wrap_search_results_total",
        /// Results of one search.
        histogram search_results_count: "faiss_wrap_search_results_count" buckets(SEARCH_RESULTS) unit("{result}"),
        /// Vectors in the index.
        gauge index_size: "faiss_wrap_index_size",
        /// Entries in the metadata store.
        gauge metadata_size: "faiss_wrap_metadata_size",
        /// Dimensions of the vectors.
        gauge embedding_dimension: "faiss_wrap_embedding_dimension",
    }
}
