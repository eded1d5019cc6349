//! What ingestion takes.

// These comments are help texts: a terminal shows backticks as they are.
#![allow(clippy::doc_markdown)]

use std::path::PathBuf;

use clap::Args;

use super::super::values::{at_least, url};

#[derive(Debug, Args)]
pub(crate) struct IngestArgs {
    /// Files and folders.
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
}
