//! What can be said on the command line. In reading order: the commands (this file); `service` is what
//! every service takes; `faiss_wrap` with `embed`, `index` and `milvus`, `chatbot`, `ingest`, `migrate` and `transfer` what one
//! of them takes.

// These comments are help texts: a terminal shows backticks as they are.
#![allow(clippy::doc_markdown)]

mod chatbot;
mod embed;
mod faiss_wrap;
mod index;
mod ingest;
mod migrate;
mod milvus;
mod service;
mod transfer;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use self::chatbot::ChatbotArgs;
pub(crate) use self::embed::EmbedArgs;
pub(crate) use self::faiss_wrap::FaissWrapArgs;
pub(crate) use self::index::IndexArgs;
pub(crate) use self::ingest::IngestArgs;
pub(crate) use self::migrate::{MigrateArgs, Place};
pub(crate) use self::milvus::MilvusArgs;
pub(crate) use self::service::ServiceArgs;
pub(crate) use self::transfer::{ExportArgs, ImportArgs};
use super::check::args::CheckArgs;
use super::schema::args::SchemaCommand;
use super::values::{at_least, url, whole};

/// Retrieval-augmented generation with its telemetry: the services, and what one does with them.
///
/// Every setting is taken from its flag, or else from its environment variable, or else from its
/// default. The OTEL_* variables of the OpenTelemetry specification apply to all services.
#[derive(Debug, Parser)]
#[command(name = "llasta", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run one of the services until it is told to stop (SIGTERM or Ctrl-C).
    #[command(subcommand)]
    Serve(Service),
    /// Put documents into faiss-wrap: PDF, Markdown, plain text and HTML.
    ///
    /// What is in and unchanged is not sent again, chunks that a file no longer has are deleted, and a
    /// text that is there under another name is skipped. A run that was cut off goes on when it is
    /// started again.
    Ingest(IngestArgs),
    /// Write everything in faiss-wrap's data folder as JSON Lines.
    ///
    /// The first line names the embedding model, each other line is an item with its vector. faiss-wrap
    /// must not run on the folder meanwhile.
    Export(ExportArgs),
    /// Read into faiss-wrap's data folder what export wrote: all of it or nothing.
    ///
    /// An item whose id is there is replaced, others stay. faiss-wrap must not run on the folder
    /// meanwhile.
    Import(ImportArgs),
    /// Move everything from faiss-wrap's data folder to Milvus, or back, with the vectors as they are.
    ///
    /// Prints what was written and checks it: both sides are counted, and a sample of searches is
    /// compared. A run that was cut off goes on when it is started again; what is there already is
    /// not written again, and nothing is deleted anywhere. faiss-wrap must not run on the folder
    /// meanwhile. Exit status: 0 when everything is there, 1 when it is not, 2 when the command line
    /// is wrong.
    Migrate(Box<MigrateArgs>),
    /// Ask chatbot-rag a question and print its answer with the sources.
    Ask(AskArgs),
    /// Start all three services, ask a question, and show the telemetry it made.
    ///
    /// Ingests the folder docs/, sends one question through chatbot-rag, faiss-wrap and the stand-in
    /// LLM, each a process of its own, and prints the answer, the trace, the latency breakdown, the
    /// metrics that moved and the log lines. Ends with status 1 when the telemetry is not what the
    /// contract says. OTEL_EXPORTER_OTLP_ENDPOINT, when set, also gets all spans.
    Demo(DemoArgs),
    /// Compare what running services emit with the contract, from outside.
    ///
    /// Receives the services' OTLP, reads their metrics pages and log lines, and reports what
    /// differs, whatever language they are written in. Point them at it with
    /// OTEL_EXPORTER_OTLP_ENDPOINT, send them requests, and end it with Ctrl-C or --duration. Exit
    /// status: 0 when all is well, 1 when a finding is at or above --fail-on or the check could not
    /// be made, 2 when the command line is wrong.
    Check(CheckArgs),
    /// Write the telemetry schema for other tools, or say how two of them differ.
    #[command(subcommand)]
    Schema(SchemaCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Service {
    /// Texts in, nearest texts out: embeds, stores and searches.
    FaissWrap(Box<FaissWrapArgs>),
    /// Questions in, answers from the documents out; the chat page is at /.
    ChatbotRag(ChatbotArgs),
    /// The stand-in for vLLM: OpenAI's chat completions, answered from the given context.
    Llm(LlmArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LlmArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,

    /// Port to listen on; 0 takes a free one.
    #[arg(long, env = "APP_PORT", default_value_t = 8000, value_parser = whole(0..=u16::MAX))]
    pub(crate) port: u16,

    /// Name it goes by.
    #[arg(
        long,
        env = "VLLM_MODEL_NAME",
        default_value = "llasta/extractive",
        value_name = "MODEL"
    )]
    pub(crate) vllm_model_name: String,

    /// Milliseconds that each token takes.
    #[arg(
        long,
        env = "LLM_TOKEN_DELAY_MS",
        default_value_t = 2,
        value_parser = at_least(0_u64),
        value_name = "MS"
    )]
    pub(crate) token_delay_ms: u64,

    /// Requests that are answered at the same time; others wait.
    #[arg(long, env = "LLM_CONCURRENCY", default_value_t = 16, value_parser = whole(1..=u16::MAX), value_name = "N")]
    pub(crate) concurrency: u16,
}

#[derive(Debug, Args)]
pub(crate) struct AskArgs {
    /// The question.
    pub(crate) question: String,

    /// Where chatbot-rag is.
    #[arg(long, env = "CHATBOT_RAG_URL", default_value = "http://127.0.0.1:8080", value_parser = url, value_name = "URL")]
    pub(crate) chatbot_rag_url: String,

    /// Print the answer as it is written.
    #[arg(long)]
    pub(crate) stream: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// The question.
    #[arg(
        long,
        default_value = "Which metrics does faiss-wrap expose?",
        value_name = "TEXT"
    )]
    pub(crate) question: String,

    /// Have the answer streamed.
    #[arg(long)]
    pub(crate) stream: bool,

    /// Print one JSON object and nothing else.
    #[arg(long)]
    pub(crate) json: bool,

    /// Folder to ingest [default: docs/ here or in a folder above]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) docs: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) index: IndexArgs,

    #[command(flatten)]
    pub(crate) milvus: MilvusArgs,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::Arguments;

    fn variables(command: &clap::Command, all: &mut BTreeSet<String>) {
        let named = command.get_arguments().filter_map(clap::Arg::get_env);
        all.extend(named.map(|name| name.to_string_lossy().into_owned()));
        for below in command.get_subcommands() {
            variables(below, all);
        }
    }

    #[test]
    fn the_configuration_guide_names_every_variable() {
        let mut all = BTreeSet::new();
        variables(&Arguments::command(), &mut all);
        assert!(all.contains("APP_HOST") && all.len() > 30, "{all:?}");
        let guide = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../docs/guides/configuration.md"
        );
        // The crate can stand alone, without the documents.
        let Ok(guide) = std::fs::read_to_string(guide) else {
            return;
        };
        all.retain(|name| !guide.contains(&format!("`{name}`")));
        assert!(
            all.is_empty(),
            "not in docs/guides/configuration.md: {all:?}"
        );
    }
}
