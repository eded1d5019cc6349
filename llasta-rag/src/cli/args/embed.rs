//! Which model makes the vectors, and how.

// These comments are help texts: a terminal shows backticks as they are.
#![allow(clippy::doc_markdown)]

use std::num::NonZeroUsize;

use clap::Args;
use llasta_rag::Device;
use llasta_rag::embed::WeightType;

use super::super::values::{at_least, url, whole};

#[derive(Debug, Args)]
pub(crate) struct EmbedArgs {
    /// Embedding model: the built-in one, a folder with a checkpoint, a Hugging Face repository such
    /// as BAAI/bge-m3, or what --embed-base-url calls it. HF_HOME, HF_TOKEN and HF_HUB_OFFLINE apply.
    #[arg(
        long,
        env = "EMBED_MODEL",
        default_value = "llasta/lexical-hash-1024",
        value_name = "MODEL"
    )]
    pub(crate) embed_model: String,

    /// Where the model is run: cpu, cuda:N (GPU N, in a build with the feature cuda), or auto (the first
    /// GPU if it can be used, and else the CPU, which is logged).
    #[arg(
        long,
        env = "EMBED_DEVICE",
        default_value = "auto",
        value_name = "DEVICE"
    )]
    pub(crate) embed_device: Device,

    /// Type of the model's weights in memory: f32, bf16 or, on a GPU, f16; the latter two take half of
    /// the memory [default: f32 on the CPU, f16 on a GPU]
    #[arg(long, env = "EMBED_DTYPE", value_name = "TYPE")]
    pub(crate) embed_dtype: Option<WeightType>,

    /// Threads of the model on the CPU, and of its tokenizer [default: as many as there are cores]
    #[arg(long, env = "EMBED_THREADS", value_parser = threads, value_name = "N")]
    pub(crate) embed_threads: Option<NonZeroUsize>,

    /// Most tokens that go through the model at a time; concurrent searches share a pass
    /// [default: 1024 on the CPU, 16384 on a GPU]
    #[arg(long, env = "EMBED_BATCH_TOKENS", value_parser = at_least(1_usize), value_name = "N")]
    pub(crate) embed_batch_tokens: Option<usize>,

    /// Requests that wait for the model; others are answered 503.
    #[arg(long, env = "EMBED_QUEUE", default_value_t = 256, value_parser = at_least(1_usize), value_name = "N")]
    pub(crate) embed_queue: usize,

    /// Queries whose vectors are kept; 0 keeps none.
    #[arg(long, env = "EMBED_CACHE", default_value_t = 1000, value_parser = at_least(0_usize), value_name = "N")]
    pub(crate) embed_cache: usize,

    /// Server with OpenAI's embeddings API that runs the model instead.
    #[arg(long, env = "EMBED_BASE_URL", value_parser = optional_url, value_name = "URL")]
    pub(crate) embed_base_url: Option<String>,

    /// Key for that server.
    #[arg(
        long,
        env = "EMBED_API_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    pub(crate) embed_api_key: Option<String>,
}

fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let number = whole(1..=1024_usize)(text)?;
    NonZeroUsize::new(number).ok_or_else(|| "give at least 1".to_owned())
}

/// Deployments set a variable to nothing where there is nothing to set.
fn optional_url(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    url(text)
}
