//! The metrics of chatbot-rag.

use super::Text;
use super::buckets::{CHUNKS_SENT, LLM_SECONDS, TOKEN_SECONDS};
use super::labels::{ChatEndpoint, Outcome, TokenType};

crate::schema! {
    /// Metrics of chatbot-rag.
    namespace chatbot of "chatbot-rag";

    metrics ChatbotMetrics {
        /// Requests by the way they ended.
        counter requests: "chatbot_requests_total" { endpoint: ChatEndpoint, status: Outcome },
        /// Seconds from the first byte in to the last byte out.
        histogram request_duration: "chatbot_request_duration_seconds" { endpoint: ChatEndpoint } buckets(LLM_SECONDS) unit("s"),
        /// Requests being answered.
        gauge requests_in_flight: "chatbot_requests_in_flight" { endpoint: ChatEndpoint },
        /// Seconds from the first byte in to the first byte out.
        histogram time_to_first_byte: "chatbot_time_to_first_byte_seconds" { endpoint: ChatEndpoint } buckets(LLM_SECONDS) unit("s"),
        /// Requests to the LLM by the way they ended.
        counter vllm_requests: "chatbot_vllm_requests_total" { status: Outcome },
        /// Requests to faiss-wrap by the way they ended.
        counter faiss_requests: "chatbot_faiss_requests_total" { status: Outcome },
        /// Chunks sent to the LLM with one question.
        histogram rag_chunks_sent: "chatbot_rag_chunks_sent" buckets(CHUNKS_SENT) unit("{chunk}"),
        /// Chunks sent to the LLM.
        counter rag_chunks: "chatbot_rag_chunks_total",
        /// Tokens by model and type, as the LLM's usage block says.
        counter llm_tokens: "chatbot_llm_tokens_total" { model: Text, type: TokenType },
        /// Seconds to the first token of a streamed answer.
        histogram llm_time_to_first_token: "chatbot_llm_time_to_first_token_seconds" { model: Text } buckets(LLM_SECONDS) unit("s"),
        /// Seconds between two tokens of a streamed answer.
        histogram llm_time_per_output_token: "chatbot_llm_time_per_output_token_seconds" { model: Text } buckets(TOKEN_SECONDS) unit("s"),
    }
}
