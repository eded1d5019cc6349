//! What can be said to `llasta check`, and with which values.

// These comments are help texts: a terminal shows backticks as they are.
#![allow(clippy::doc_markdown)]

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use llasta_telemetry::Names;
use llasta_telemetry::testing::conform::{FindingId, Level, Signal};

use crate::cli::values::{at_least, url};

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Address to receive OTLP at, over gRPC and over HTTP; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:4317", value_parser = address, value_name = "ADDRESS", help_heading = "Sources")]
    pub(crate) otlp: String,

    /// Receive no OTLP.
    #[arg(
        long,
        conflicts_with_all = ["otlp", "forward", "until_spans"],
        help_heading = "Sources"
    )]
    pub(crate) no_otlp: bool,

    /// Metrics page to read at the end; may be given several times. SERVICE= says whose it is
    /// where the page does not.
    #[arg(long, value_parser = metrics_page, value_name = "[SERVICE=]URL", help_heading = "Sources")]
    pub(crate) metrics: Vec<MetricsPage>,

    /// File with a service's log lines, from its beginning; may be given several times, and - is
    /// standard input, whose end ends a check without OTLP.
    #[arg(long, value_name = "FILE", help_heading = "Sources")]
    pub(crate) logs: Vec<PathBuf>,

    /// Pass all OTLP on to this collector meanwhile.
    #[arg(long, value_parser = url, value_name = "URL", help_heading = "Sources")]
    pub(crate) forward: Option<String>,

    /// How long to look, such as 500ms, 30s or 5m [default: until SIGTERM or Ctrl-C]
    #[arg(long, value_parser = duration, value_name = "TIME", help_heading = "End")]
    pub(crate) duration: Option<Duration>,

    /// End as soon as so many spans have come.
    #[arg(long, value_parser = at_least(1_u64), value_name = "N", help_heading = "End")]
    pub(crate) until_spans: Option<u64>,

    /// Schema to check against: current, a released version such as 0.1.0, or a file that
    /// `schema export --format json` wrote. Several are merged [default: current]
    #[arg(long, num_args = 1.., value_name = "SCHEMA", help_heading = "Findings")]
    pub(crate) schema: Vec<String>,

    /// Names the services were told to write attributes under: llasta, otel or both.
    #[arg(long, default_value = "both", value_parser = names, value_name = "NAMES", help_heading = "Findings")]
    pub(crate) names: Names,

    /// Least level that makes the exit status 1: violation, improvement, information, or never.
    #[arg(long, default_value = "violation", value_parser = fail_on, value_name = "LEVEL", help_heading = "Findings")]
    pub(crate) fail_on: FailOn,

    /// Only findings of these ids, such as missing_attribute,wrong_kind.
    #[arg(long, value_delimiter = ',', value_parser = finding_id, value_name = "ID,…", help_heading = "Findings")]
    pub(crate) only: Vec<FindingId>,

    /// No findings of these ids.
    #[arg(long, value_delimiter = ',', value_parser = finding_id, value_name = "ID,…", help_heading = "Findings")]
    pub(crate) ignore: Vec<FindingId>,

    /// Only findings about these: span, metric, log or resource.
    #[arg(long, value_delimiter = ',', value_parser = signal, value_name = "SIGNAL,…", help_heading = "Findings")]
    pub(crate) signal: Vec<Signal>,

    /// Only findings about these services.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAME,…",
        help_heading = "Findings"
    )]
    pub(crate) service: Vec<String>,

    /// How the report is written.
    #[arg(
        long,
        default_value = "text",
        value_name = "FORMAT",
        help_heading = "Report"
    )]
    pub(crate) format: Format,

    /// File to write the report to [default: standard output]
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
    /// XML that CI systems read.
    Junit,
}

/// A metrics page, and whose it is.
#[derive(Debug, Clone)]
pub(crate) struct MetricsPage {
    pub(crate) service: Option<String>,
    pub(crate) url: String,
}

/// The least level that fails; `None` is never.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FailOn(pub(crate) Option<Level>);

impl FailOn {
    pub(crate) fn fails(self, level: Level) -> bool {
        self.0.is_some_and(|least| level >= least)
    }

    pub(crate) fn name(self) -> &'static str {
        self.0.map_or("never", Level::name)
    }
}

fn address(text: &str) -> Result<String, String> {
    let address = text.strip_prefix("http://").unwrap_or(text);
    let address = address.trim_end_matches('/');
    match address.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(address.to_owned())
        }
        _ => Err(
            "give an address and a port to listen at, such as 127.0.0.1:4317 or 0.0.0.0:4317"
                .to_owned(),
        ),
    }
}

fn metrics_page(text: &str) -> Result<MetricsPage, String> {
    // An address has an `=` only behind its `://`.
    let (service, address) = match text.split_once('=') {
        Some((service, address)) if !service.contains("://") => (Some(service.to_owned()), address),
        _ => (None, text),
    };
    let url = url(address).map_err(|_| {
        "give the address of a page, such as http://127.0.0.1:8080/metrics or chatbot-rag=http://127.0.0.1:8080/metrics"
            .to_owned()
    })?;
    Ok(MetricsPage { service, url })
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        _ => 0,
    };
    number
        .parse::<u64>()
        .ok()
        .filter(|_| milliseconds > 0)
        .and_then(|number| number.checked_mul(milliseconds))
        .map(Duration::from_millis)
        .ok_or_else(|| {
            "give a whole number and a unit: ms, s, m or h, such as 500ms, 30s or 5m".to_owned()
        })
}

fn names(text: &str) -> Result<Names, llasta_telemetry::Error> {
    text.parse()
}

fn fail_on(text: &str) -> Result<FailOn, String> {
    if text == "never" {
        return Ok(FailOn(None));
    }
    let level = word(Level::ALL, text);
    level
        .map(|level| FailOn(Some(level)))
        .ok_or_else(|| format!("give one of {}, never", listed(Level::ALL.iter().rev())))
}

fn signal(text: &str) -> Result<Signal, String> {
    word(Signal::ALL, text).ok_or_else(|| format!("give some of {}", listed(Signal::ALL)))
}

fn finding_id(text: &str) -> Result<FindingId, String> {
    word(FindingId::ALL, text).ok_or_else(|| format!("give some of {}", listed(FindingId::ALL)))
}

fn word<T: Display + Copy>(all: &[T], text: &str) -> Option<T> {
    all.iter().copied().find(|known| known.to_string() == text)
}

fn listed<T: Display>(all: impl IntoIterator<Item = T>) -> String {
    let words: Vec<_> = all.into_iter().map(|word| word.to_string()).collect();
    words.join(", ")
}
