//! Where what services say comes from, besides OTLP: metrics pages and log lines.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use llasta_telemetry::schema::sdk::BuildMetrics;
use llasta_telemetry::testing::conform::{Finding, FindingId, Level, Signal};
use llasta_telemetry::testing::{CapturedPage, Evidence, OtlpReceiver, PageFormat};
use reqwest::Client;
use reqwest::header::ACCEPT;
use tokio::sync::watch;

use super::args::MetricsPage;
use super::report::Seen;
use crate::cli::failure::Failure;
use crate::cli::ingest;

/// As Prometheus asks by default: OpenMetrics where the service has it, which alone has exemplars.
const AS_PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// How long Prometheus waits for a page by default.
const PATIENCE: Duration = Duration::from_secs(10);

/// A finding of a source, not of what came from it.
fn finding(
    id: FindingId,
    signal: Signal,
    name: impl Into<String>,
    message: impl Into<String>,
    advice: impl Into<String>,
) -> Finding {
    Finding::new(id, Level::Violation, signal, name, message, advice)
}

/// What is wrong with what came over OTLP, as a whole.
pub(super) fn of_receiver(receiver: &OtlpReceiver) -> Vec<Finding> {
    let received = receiver.received();
    let endpoint = receiver.endpoint();
    let mut findings: Vec<_> = receiver
        .refusals()
        .into_iter()
        .map(|why| {
            finding(
                FindingId::Unreadable,
                Signal::Span,
                &endpoint,
                format!("a request was refused: {why}"),
                "send OTLP over gRPC, or over HTTP to /v1/traces, /v1/logs and /v1/metrics",
            )
        })
        .collect();
    if received.requests == 0 && received.refused == 0 {
        findings.push(finding(
            FindingId::NothingReceived,
            Signal::Span,
            &endpoint,
            "no OTLP arrived",
            format!(
                "start the services with OTEL_EXPORTER_OTLP_ENDPOINT={endpoint} and send them a request, or say --no-otlp"
            ),
        ));
    }
    findings
}

/// Reads metrics pages.
#[derive(Debug)]
pub(super) struct Scraper<'a>(Vec<(&'a MetricsPage, Client)>);

impl<'a> Scraper<'a> {
    pub(super) fn new(pages: &'a [MetricsPage]) -> Result<Self, Failure> {
        let pages = pages
            .iter()
            .map(|page| Ok((page, ingest::client(&page.url)?)));
        Ok(Self(pages.collect::<Result<_, Failure>>()?))
    }

    /// Before anything is waited for: an address may be mistyped.
    pub(super) async fn say_what_cannot_be_read(&self) {
        for (page, text) in self.texts().await {
            if let Err(why) = text {
                eprintln!("{} cannot be read yet: {why}", page.url);
            }
        }
    }

    /// The pages as they are now.
    pub(super) async fn scrape(&self, findings: &mut Vec<Finding>) -> Vec<CapturedPage> {
        let mut pages = Vec::new();
        for (asked, text) in self.texts().await {
            match text {
                Ok(text) => {
                    let page = CapturedPage::read(&asked.url, &text);
                    let service = asked.service.clone().or_else(|| service_of(&page));
                    pages.push(match service {
                        Some(service) => page.of_service(service),
                        None => page,
                    });
                }
                Err(why) => findings.push(finding(
                    FindingId::Unreadable,
                    Signal::Metric,
                    &asked.url,
                    format!("the page cannot be read: {why}"),
                    "serve it at this address until the check has ended, or name another --metrics",
                )),
            }
        }
        pages
    }

    async fn texts(&self) -> Vec<(&'a MetricsPage, Result<String, String>)> {
        let reading = self
            .0
            .iter()
            .map(async |(page, client)| (*page, text(client, &page.url).await));
        join_all(reading).await
    }
}

async fn text(client: &Client, url: &str) -> Result<String, String> {
    let reading = async {
        let request = client.get(url).header(ACCEPT, AS_PROMETHEUS);
        let response = request.timeout(PATIENCE).send().await?;
        response.error_for_status()?.text().await
    };
    // The address stands beside it already.
    let read = reading.await.map_err(reqwest::Error::without_url);
    read.map_err(|error| {
        Failure::of("", &error)
            .message
            .trim_start_matches(": ")
            .to_owned()
    })
}

/// Whose page it is, as it says itself.
fn service_of(page: &CapturedPage) -> Option<String> {
    let page = page.page.as_ref().ok()?;
    let mut build = BuildMetrics::DEFS.iter();
    let samples = &build.find_map(|def| page.family(def.name))?.samples;
    samples
        .iter()
        .find_map(|line| line.labels.get("service").cloned())
}

/// A service may serve some of its metrics and send others over OTLP, as one whose language
/// instruments HTTP by itself does: both are its metrics.
pub(super) fn join_pages(evidence: &mut Evidence) {
    let (sent, mut served): (Vec<_>, Vec<_>) = std::mem::take(&mut evidence.pages)
        .into_iter()
        .partition(|page| page.format == PageFormat::Otlp);
    for page in sent {
        let other = served
            .iter_mut()
            .filter(|other| page.service.is_some() && other.service == page.service)
            .find_map(|other| other.page.as_mut().ok());
        match (other, &page.page) {
            (Some(other), Ok(families)) => {
                let known: BTreeSet<_> = other
                    .families
                    .iter()
                    .map(|family| family.name.clone())
                    .collect();
                let new = families.families.iter();
                let new = new.filter(|family| !known.contains(&family.name)).cloned();
                other.families.extend(new);
            }
            _ => served.push(page),
        }
    }
    evidence.pages = served;
}

/// Files and streams of log lines.
#[derive(Debug)]
pub(super) struct Logs(Vec<Log>);

#[derive(Debug)]
enum Log {
    /// Read at the end, from its beginning.
    File(PathBuf),
    /// Read as it comes, since it does not come again.
    Stream(PathBuf, Arc<Mutex<Vec<String>>>, watch::Receiver<()>),
}

impl Logs {
    /// Begins to read the streams; a file need not be there yet.
    pub(super) fn open(paths: &[PathBuf]) -> Result<Self, Failure> {
        let open = |path: &PathBuf| {
            let cannot = |error: std::io::Error| {
                Failure::of(format!("{} cannot be read", path.display()), &error)
            };
            if path.as_os_str() == "-" {
                return Ok(stream(path, std::io::stdin()));
            }
            match std::fs::metadata(path) {
                Ok(found) if found.is_dir() => Err(Failure::setting(format!(
                    "{} is a folder: name a file with --logs",
                    path.display()
                ))),
                Ok(found) if !found.is_file() => {
                    Ok(stream(path, File::open(path).map_err(cannot)?))
                }
                _ => Ok(Log::File(path.clone())),
            }
        };
        Ok(Self(paths.iter().map(open).collect::<Result<_, _>>()?))
    }

    /// Waits until all streams have ended; for ever when there is none.
    pub(super) async fn ended(&self) {
        let streams: Vec<_> = self
            .0
            .iter()
            .filter_map(|log| match log {
                Log::Stream(_, _, ended) => Some(ended.clone()),
                Log::File(_) => None,
            })
            .collect();
        if streams.is_empty() {
            std::future::pending::<()>().await;
        }
        for mut ended in streams {
            while ended.changed().await.is_ok() {}
        }
    }

    pub(super) fn read(
        self,
        mut evidence: Evidence,
        seen: &mut Seen,
        findings: &mut Vec<Finding>,
    ) -> Evidence {
        for log in self.0 {
            let (path, lines) = match log {
                Log::File(path) => {
                    let lines = whole(&path);
                    (path, lines)
                }
                Log::Stream(path, lines, _) => {
                    let lines = lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    (path, Ok(lines))
                }
            };
            let name = match path.as_os_str() == "-" {
                true => "standard input".to_owned(),
                false => path.display().to_string(),
            };
            match lines {
                Ok(lines) => {
                    if lines.iter().all(|line| line.trim().is_empty()) {
                        findings.push(finding(
                            FindingId::NothingReceived,
                            Signal::Log,
                            &name,
                            "no log line was written",
                            "send the service's standard output there",
                        ));
                    }
                    seen.lines(name, lines.len());
                    evidence = evidence.lines(lines);
                }
                Err(error) => findings.push(finding(
                    FindingId::NothingReceived,
                    Signal::Log,
                    &name,
                    format!("no log line could be read: {error}"),
                    "send the service's standard output there",
                )),
            }
        }
        evidence
    }
}

/// A thread reads it, for such reads cannot be called off.
fn stream(path: &Path, input: impl Read + Send + 'static) -> Log {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    let (reading, ended) = watch::channel(());
    std::thread::spawn(move || {
        // Gone with the thread, which says that the stream has ended.
        let _reading = reading;
        let mut input = BufReader::new(input);
        let mut line = Vec::new();
        while matches!(input.read_until(b'\n', &mut line), Ok(read) if read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            kept.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(text);
            line.clear();
        }
    });
    Log::Stream(path.to_owned(), lines, ended)
}

/// The lines of a file, without a last one that is still being written.
fn whole(path: &Path) -> std::io::Result<Vec<String>> {
    let bytes = std::fs::read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    let is_half = |line: &String| {
        line.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(line).is_err()
    };
    if !text.ends_with('\n') && lines.last().is_some_and(is_half) {
        lines.pop();
    }
    Ok(lines)
}
