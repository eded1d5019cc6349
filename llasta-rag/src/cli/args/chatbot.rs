//! What chatbot-rag takes.

// These comments are help texts: a terminal shows backticks as they are.
#![allow(clippy::doc_markdown)]

use clap::Args;

use super::super::values::{at_least, share, url, url_or_nothing, whole};
use super::ServiceArgs;

#[derive(Debug, Args)]
pub(crate) struct ChatbotArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,

    /// Port to listen on; 0 takes a free one.
    #[arg(long, env = "APP_PORT", default_value_t = 8080, value_parser = whole(0..=u16::MAX))]
    pub(crate) port: u16,

    /// Where faiss-wrap is.
    #[arg(long, env = "FAISS_WRAP_URL", default_value = "http://127.0.0.1:9000", value_parser = url, value_name = "URL")]
    pub(crate) faiss_wrap_url: String,

    /// Where the OpenAI-compatible server is.
    #[arg(long, env = "VLLM_BASE_URL", default_value = "http://127.0.0.1:8000", value_parser = url, value_name = "URL")]
    pub(crate) vllm_base_url: String,

    /// Key for that server.
    #[arg(long, env = "VLLM_API_KEY", hide_env_values = true, value_name = "KEY")]
    pub(crate) vllm_api_key: Option<String>,

    /// Model to ask for.
    #[arg(
        long,
        env = "VLLM_MODEL_NAME",
        default_value = "llasta/extractive",
        value_name = "MODEL"
    )]
    pub(crate) vllm_model_name: String,

    /// Chunks to request per question, 1 to 50.
    #[arg(long, env = "RAG_TOP_K", default_value_t = 5, value_parser = whole(1..=50_u8), value_name = "N")]
    pub(crate) rag_top_k: u8,

    /// Similarity below which a chunk is dropped, 0 to 1.
    #[arg(long, env = "RAG_MIN_SCORE", default_value_t = 0.5, value_parser = share, value_name = "SCORE")]
    pub(crate) rag_min_score: f64,

    /// Most characters the context block may have.
    #[arg(
        long,
        env = "RAG_MAX_CONTEXT_CHARS",
        default_value_t = 4000,
        value_parser = at_least(0_usize),
        value_name = "N"
    )]
    pub(crate) rag_max_context_chars: usize,

    /// Tokens the model reads and writes in all; 0 asks the server. The oldest turns and the lowest
    /// ranked chunks are left out where they do not fit.
    #[arg(long, env = "LLM_CONTEXT_TOKENS", default_value_t = 0, value_parser = at_least(0_usize), value_name = "N")]
    pub(crate) llm_context_tokens: usize,

    /// Seconds a connection to faiss-wrap or the LLM may take.
    #[arg(long, env = "CONNECT_TIMEOUT_SECS", default_value_t = 5, value_parser = at_least(1_u64), value_name = "SECONDS")]
    pub(crate) connect_timeout_secs: u64,

    /// Times that a request is sent again whose connection failed; nothing else is ever sent again.
    #[arg(long, env = "CONNECT_RETRIES", default_value_t = 2, value_parser = whole(0..=10_u32), value_name = "N")]
    pub(crate) connect_retries: u32,

    /// Seconds a search may take.
    #[arg(long, env = "SEARCH_TIMEOUT_SECS", default_value_t = 30, value_parser = at_least(1_u64), value_name = "SECONDS")]
    pub(crate) search_timeout_secs: u64,

    /// Seconds a whole answer of the LLM may take, or in a stream each piece of it.
    #[arg(long, env = "LLM_TIMEOUT_SECS", default_value_t = 300, value_parser = at_least(1_u64), value_name = "SECONDS")]
    pub(crate) llm_timeout_secs: u64,

    /// Where people look at traces: the chat page links there.
    #[arg(long, env = "GRAFANA_URL", value_parser = url_or_nothing, value_name = "URL")]
    pub(crate) grafana_url: Option<String>,

    /// Uid of the Tempo data source there.
    #[arg(
        long,
        env = "GRAFANA_TEMPO_UID",
        default_value = "tempo",
        value_name = "UID"
    )]
    pub(crate) grafana_tempo_uid: String,
}
