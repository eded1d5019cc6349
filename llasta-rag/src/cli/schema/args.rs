//! What can be said to `llasta schema`.

// These comments are help texts: a terminal shows backticks as they are.
#![allow(clippy::doc_markdown)]

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use llasta_telemetry::registry::Format;

#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Write the schema in a format that other tools read.
    ///
    /// json is the schema itself, which this command and the library read back. json-schema
    /// validates captured spans and log lines. markdown is the reference. weaver is a registry for
    /// OpenTelemetry Weaver. python is a module for services in Python.
    Export(ExportArgs),
    /// Say how one schema differs from another.
    ///
    /// Ends with status 1 when something breaks queries without having been declared.
    Diff(DiffArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Format: json, json-schema, markdown, weaver or python.
    #[arg(long, value_parser = format, value_name = "FORMAT")]
    pub(crate) format: Format,

    /// File or folder to write to; without it the text goes to standard output.
    #[arg(long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,

    /// For weaver: take OpenTelemetry's attributes from its own registries instead of copying them.
    #[arg(long)]
    pub(crate) upstream: bool,

    /// Schema to write: current, a released version such as 0.1.0, or a file of the format json.
    /// Several are merged [default: current]
    #[arg(long, num_args = 1.., value_name = "SCHEMA")]
    pub(crate) schema: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The older schema: current, a released version such as 0.1.0, or a file of the format json.
    #[arg(value_name = "OLD")]
    pub(crate) old: String,

    /// The newer schema, named likewise.
    #[arg(value_name = "NEW")]
    pub(crate) new: String,

    /// How to say it: text or json.
    #[arg(long, default_value = "text", value_name = "FORMAT")]
    pub(crate) format: DiffFormat,
}

/// How differences are said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

fn format(text: &str) -> Result<Format, llasta_telemetry::Error> {
    text.parse()
}
