//! What export and import take.

// These comments are help texts: a terminal shows backticks as they are.
#![allow(clippy::doc_markdown)]

use std::path::PathBuf;

use clap::Args;

use super::EmbedArgs;

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Folder of the store.
    #[arg(
        long,
        env = "DATA_DIR",
        default_value = "llasta-data",
        value_name = "FOLDER"
    )]
    pub(crate) data_dir: PathBuf,

    /// File to write, which appears when it is whole [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// What export wrote [default: standard input]
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// Folder of the store; made when missing.
    #[arg(
        long,
        env = "DATA_DIR",
        default_value = "llasta-data",
        value_name = "FOLDER"
    )]
    pub(crate) data_dir: PathBuf,

    /// Make the vectors anew from the texts, with --embed-model.
    #[arg(long)]
    pub(crate) reembed: bool,

    #[command(flatten)]
    pub(crate) embed: EmbedArgs,
}
