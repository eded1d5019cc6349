//! How the service is set up.

use std::time::Duration;

/// How chatbot-rag is set up.
#[derive(Debug, Clone)]
pub struct ChatbotConfig {
    /// Where faiss-wrap is, such as `http://faiss-wrap:9000`.
    pub faiss_wrap_url: String,
    /// Where the OpenAI-compatible server is, such as `http://vllm:8000`.
    pub llm_url: String,
    /// Sent to that server as a bearer token.
    pub api_key: Option<String>,
    /// The model to ask for.
    pub model: String,
    /// Chunks to request per question.
    pub top_k: usize,
    /// Similarity below which a chunk is dropped, 0 to 1.
    pub min_score: f64,
    /// Most Unicode scalar values of the context block.
    pub max_context_chars: usize,
    /// Largest body that is read.
    pub max_body_bytes: usize,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How often a request is sent again whose connection failed. What may have reached a neighbour is
    /// never sent again.
    pub connect_retries: u32,
    /// How long a search may take.
    pub search_timeout: Duration,
    /// How long the LLM may take: to its last byte, or in a stream between two.
    pub llm_timeout: Duration,
    /// Tokens that the model reads and writes in all; the server is asked where this is not set.
    pub context_tokens: Option<usize>,
    /// Where people look at traces; the chat page links there.
    pub grafana: Option<Grafana>,
}

/// A Grafana with the traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grafana {
    /// Its address, such as `https://grafana.example.com`.
    pub url: String,
    /// The uid of its Tempo data source.
    pub tempo_uid: String,
}

impl ChatbotConfig {
    /// The defaults of the contract, for neighbours at the given addresses. An address may end in
    /// `/`, and the LLM's in `/v1`.
    pub fn new(faiss_wrap_url: &str, llm_url: &str, model: &str) -> Self {
        Self {
            faiss_wrap_url: faiss_wrap_url.trim_end_matches('/').to_owned(),
            llm_url: llm_url
                .trim_end_matches('/')
                .trim_end_matches("/v1")
                .to_owned(),
            api_key: None,
            model: model.to_owned(),
            top_k: 5,
            min_score: 0.5,
            max_context_chars: 4000,
            max_body_bytes: crate::service::MAX_BODY_BYTES,
            connect_timeout: Duration::from_secs(5),
            connect_retries: 2,
            search_timeout: Duration::from_secs(30),
            llm_timeout: Duration::from_secs(300),
            context_tokens: None,
            grafana: None,
        }
    }

    pub(super) fn faiss_url(&self, path: &str) -> String {
        format!("{}{path}", self.faiss_wrap_url)
    }

    pub(super) fn llm_url(&self, path: &str) -> String {
        format!("{}{path}", self.llm_url)
    }
}
