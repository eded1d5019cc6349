//! The contract's metrics of the LLM server. A real vLLM exports other names, which the shipped
//! scrape configuration renames; the stand-in emits these itself.

use super::Text;
use super::buckets::LLM_SECONDS;

crate::schema! {
    /// Metrics of the LLM server.
    namespace vllm of "vllm";

    metrics VllmMetrics {
        /// Seconds of one generation.
        histogram request_duration: "vllm_request_duration_seconds" { model_name: Text } buckets(LLM_SECONDS) unit("s"),
        /// Tokens generated.
        counter tokens_generated: "vllm_tokens_generated_total" { model_name: Text },
        /// Requests being generated.
        gauge active_requests: "vllm_active_requests" { model_name: Text },
        /// Requests waiting for their turn.
        gauge queue_size: "vllm_queue_size" { model_name: Text },
    }
}
