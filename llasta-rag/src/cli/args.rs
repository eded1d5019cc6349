//! What can be said on the command line.

// These comments are help texts: a terminal shows backticks as they are.
#![allow(clippy::doc_markdown)]

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use llasta_rag::index::IndexKind;
use llasta_telemetry::line::Style;

use super::check::args::CheckArgs;
use super::schema::args::SchemaCommand;
use super::values::{at_least, index_kind, share, style, url, whole};

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
    /// Put documents into faiss-wrap: Markdown, plain text and HTML.
    Ingest(IngestArgs),
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
    FaissWrap(FaissWrapArgs),
    /// Questions in, answers from the documents out; the chat page is at /.
    ChatbotRag(ChatbotArgs),
    /// The stand-in for vLLM: OpenAI's chat completions, answered from the given context.
    Llm(LlmArgs),
}

/// What every service takes.
#[derive(Debug, Args)]
pub(crate) struct ServiceArgs {
    /// Address to listen on; 0.0.0.0 for all.
    #[arg(
        long,
        env = "APP_HOST",
        default_value = "127.0.0.1",
        value_name = "ADDRESS"
    )]
    pub(crate) host: IpAddr,

    /// Largest request body, in bytes.
    #[arg(long, env = "MAX_BODY_BYTES", default_value_t = llasta_rag::service::MAX_BODY_BYTES, value_parser = at_least(1_usize), value_name = "BYTES")]
    pub(crate) max_body_bytes: usize,

    /// OTLP collector, such as http://alloy:4317 [env: OTEL_EXPORTER_OTLP_ENDPOINT]
    #[arg(long, value_name = "URL")]
    pub(crate) otlp_endpoint: Option<String>,

    /// How log lines look: json or pretty [env: LLASTA_LOG_FORMAT] [default: pretty on a terminal, else json]
    #[arg(long, value_name = "FORMAT", value_parser = style)]
    pub(crate) log_format: Option<Style>,

    /// Stop when standard input ends: for whoever starts services as children.
    #[arg(long, hide = true)]
    pub(crate) stop_with_stdin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FaissWrapArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,

    /// Port to listen on; 0 takes a free one.
    #[arg(long, env = "APP_PORT", default_value_t = 9000, value_parser = whole(0..=u16::MAX))]
    pub(crate) port: u16,

    /// Folder of the store and the index file; made when missing.
    #[arg(
        long,
        env = "DATA_DIR",
        default_value = "llasta-data",
        value_name = "FOLDER"
    )]
    pub(crate) data_dir: PathBuf,

    /// Embedding model. The built-in one needs no download.
    #[arg(long, env = "EMBED_MODEL", default_value = "llasta/lexical-hash-1024", value_parser = ["llasta/lexical-hash-1024"], value_name = "MODEL")]
    pub(crate) embed_model: String,

    /// Index: auto, exact or faiss. auto takes FAISS where it is compiled in.
    #[arg(long, env = "INDEX", default_value = "auto", value_parser = index_kind, value_name = "KIND")]
    pub(crate) index: IndexKind,
}

#[derive(Debug, Args)]
pub(crate) struct ChatbotArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,

    /// Port to listen on; 0 takes a free one.
    #[arg(long, env = "APP_PORT", default_value_t = 8080, value_parser = whole(0..=u16::MAX))]
    pub(crate) port: u16,

    /// Where faiss-wrap is.
    #[arg(long, env = "FAISS_WRAP_URL", default_value = "http://127.0.0.1:9000", value_parser = url, value_name = "URL")]
    pub(crate) faiss_wrap_url: String,

    /// Where the OpenAI-compatible server is.
    #[arg(long, env = "VLLM_BASE_URL", default_value = "http://127.0.0.1:8000", value_parser = url, value_name = "URL")]
    pub(crate) vllm_base_url: String,

    /// Key for that server.
    #[arg(long, env = "VLLM_API_KEY", hide_env_values = true, value_name = "KEY")]
    pub(crate) vllm_api_key: Option<String>,

    /// Model to ask for.
    #[arg(
        long,
        env = "VLLM_MODEL_NAME",
        default_value = "llasta/extractive",
        value_name = "MODEL"
    )]
    pub(crate) vllm_model_name: String,

    /// Chunks to request per question, 1 to 50.
    #[arg(long, env = "RAG_TOP_K", default_value_t = 5, value_parser = whole(1..=50_u8), value_name = "N")]
    pub(crate) rag_top_k: u8,

    /// Similarity below which a chunk is dropped, 0 to 1.
    #[arg(long, env = "RAG_MIN_SCORE", default_value_t = 0.5, value_parser = share, value_name = "SCORE")]
    pub(crate) rag_min_score: f64,

    /// Most characters the context block may have.
    #[arg(
        long,
        env = "RAG_MAX_CONTEXT_CHARS",
        default_value_t = 4000,
        value_parser = at_least(0_usize),
        value_name = "N"
    )]
    pub(crate) rag_max_context_chars: usize,
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

    /// Index: auto, exact or faiss.
    #[arg(long, default_value = "auto", value_parser = index_kind, value_name = "KIND")]
    pub(crate) index: IndexKind,
}
