//! Which model makes the vectors, and how.

// These comments are help texts: a terminal shows backticks as they are.
#![allow(clippy::doc_markdown)]

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct EmbedArgs {
    /// Embedding model. The built-in one needs no download.
    #[arg(long, env = "EMBED_MODEL", default_value = "llasta/lexical-hash-1024", value_parser = ["llasta/lexical-hash-1024"], value_name = "MODEL")]
    pub(crate) embed_model: String,
}
