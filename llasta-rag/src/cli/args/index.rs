//! Which index searches the vectors, and how.

// These comments are help texts: a terminal shows backticks as they are.
#![allow(clippy::doc_markdown)]

use clap::Args;
use llasta_rag::index::{IndexConfig, IndexKind};

use super::super::values::index_kind;

#[derive(Debug, Args)]
pub(crate) struct IndexArgs {
    /// Index: auto, exact or faiss. auto takes FAISS where it is compiled in.
    #[arg(long, env = "INDEX", default_value = "auto", value_parser = index_kind, value_name = "KIND")]
    pub(crate) index: IndexKind,
}

impl From<IndexArgs> for IndexConfig {
    fn from(arguments: IndexArgs) -> Self {
        Self::from(arguments.index)
    }
}
