//! What ingestion takes.

// These comments are help texts: a terminal shows backticks as they are.
#![allow(clippy::doc_markdown)]

use std::path::PathBuf;

use clap::Args;

use super::super::values::{at_least, url};

#[derive(Debug, Args)]
pub(crate) struct IngestArgs {
    /// Files, folders, and patterns such as 'docs/**/*.pdf'.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// Where faiss-wrap is.
    #[arg(long, env = "FAISS_WRAP_URL", default_value = "http://127.0.0.1:9000", value_parser = url, value_name = "URL")]
    pub(crate) faiss_wrap_url: String,

    /// Most characters of a chunk.
    #[arg(long, default_value_t = 800, value_parser = at_least(1_usize), value_name = "N")]
    pub(crate) max_chars: usize,

    /// Characters that a chunk repeats of the one before it.
    #[arg(long, default_value_t = 100, value_parser = at_least(0_usize), value_name = "N")]
    pub(crate) overlap_chars: usize,

    /// Most tokens of a chunk, instead of characters.
    #[arg(long, value_parser = at_least(1_usize), value_name = "N", conflicts_with_all = ["max_chars", "overlap_chars"])]
    pub(crate) max_tokens: Option<usize>,

    /// Tokens that a chunk repeats of the one before it [default: an eighth of --max-tokens]
    #[arg(long, value_parser = at_least(0_usize), value_name = "N", requires = "max_tokens")]
    pub(crate) overlap_tokens: Option<usize>,

    /// Embedding model whose tokens are counted; the built-in one counts words.
    #[arg(
        long,
        env = "EMBED_MODEL",
        default_value = "llasta/lexical-hash-1024",
        value_name = "MODEL"
    )]
    pub(crate) embed_model: String,

    /// Print the chunks and send nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Send everything, also what is in and unchanged.
    #[arg(long)]
    pub(crate) force: bool,
}
