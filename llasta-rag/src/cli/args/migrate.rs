//! What migrate takes.

// These comments are help texts: a terminal shows backticks as they are.
#![allow(clippy::doc_markdown)]

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use llasta_rag::milvus::{MilvusIndexKind, MilvusUrl};

use super::super::values::whole;
use super::milvus::MilvusHow;

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// Where the items are: faiss-wrap's data folder, or milvus://host:19530/collection.
    #[arg(long, value_name = "PLACE")]
    pub(crate) from: Place,

    /// Where they shall be: another such place; made when missing.
    #[arg(long, value_name = "PLACE")]
    pub(crate) to: Place,

    /// Searches that are compared at the end.
    #[arg(long, default_value_t = 20, value_parser = whole(1..=1000_usize), value_name = "N")]
    pub(crate) sample: usize,

    /// Index of a Milvus collection that is made.
    #[arg(long, env = "MILVUS_INDEX", default_value_t = MilvusIndexKind::default(), value_name = "KIND")]
    pub(crate) milvus_index: MilvusIndexKind,

    #[command(flatten)]
    pub(crate) how: MilvusHow,
}

/// Where items are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Folder(PathBuf),
    Milvus(MilvusUrl),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return text.parse().map(Self::Milvus);
        }
        if text.is_empty() {
            return Err("give a folder, or milvus://host:19530/collection".to_owned());
        }
        Ok(Self::Folder(text.into()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Milvus(url) => {
                let collection = url.collection.as_deref().unwrap_or("llasta");
                write!(f, "{url}/{collection}")
            }
        }
    }
}
