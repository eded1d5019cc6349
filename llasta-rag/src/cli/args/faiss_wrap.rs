//! What faiss-wrap takes.

// These comments are help texts: a terminal shows backticks as they are.
#![allow(clippy::doc_markdown)]

use std::path::PathBuf;

use clap::Args;
use llasta_rag::pipeline::Retrieval;

use super::super::values::whole;
use super::{EmbedArgs, IndexArgs, MilvusArgs, ServiceArgs};

#[derive(Debug, Args)]
pub(crate) struct FaissWrapArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,

    /// Port to listen on; 0 takes a free one.
    #[arg(long, env = "APP_PORT", default_value_t = 9000, value_parser = whole(0..=u16::MAX))]
    pub(crate) port: u16,

    /// Folder of the store and the index file; made when missing. Nothing is in it with --index
    /// milvus.
    #[arg(
        long,
        env = "DATA_DIR",
        default_value = "llasta-data",
        value_name = "FOLDER"
    )]
    pub(crate) data_dir: PathBuf,

    #[command(flatten)]
    pub(crate) embed: EmbedArgs,

    #[command(flatten)]
    pub(crate) index: IndexArgs,

    #[command(flatten)]
    pub(crate) milvus: MilvusArgs,

    /// How searches find where they do not say it: dense, by vectors, or hybrid, by words too.
    #[arg(long, env = "RETRIEVAL", default_value_t = Retrieval::Dense, value_parser = str::parse::<Retrieval>, value_name = "KIND")]
    pub(crate) retrieval: Retrieval,
}
