//! `llasta ingest`

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use llasta_rag::api::search::{UpsertRequest, UpsertResponse};
use llasta_rag::chunk::{self, ChunkOptions, Format};
use llasta_rag::pipeline::Item;
use reqwest::Client;
use serde_json::Value;

use super::args::IngestArgs;
use super::failure::Failure;

/// Chunks sent at once.
const BATCH: usize = 64;

pub(super) async fn run(arguments: &IngestArgs) -> Result<(), Failure> {
    let options = ChunkOptions {
        max_chars: arguments.max_chars,
        overlap_chars: arguments.overlap_chars,
    };
    if options.overlap_chars >= options.max_chars {
        return Err(Failure::setting(format!(
            "--overlap-chars is {} and --max-chars {}: the overlap must be smaller",
            options.overlap_chars, options.max_chars
        )));
    }
    let summary = ingest(&arguments.faiss_wrap_url, &arguments.paths, options, true).await?;
    for (path, why) in &summary.failed {
        eprintln!("{}: {why}", path.display());
    }
    if let Some(total) = summary.total_items {
        println!(
            "{} of {} ingested in {:.1} s; faiss-wrap holds {}",
            count(summary.chunks, "chunk"),
            count(summary.files, "file"),
            summary.took.as_secs_f64(),
            count(total, "item")
        );
    }
    match (summary.failed.len(), summary.total_items) {
        (0, Some(_)) => Ok(()),
        (0, None) => Err(Failure::new(format!(
            "there was nothing to ingest: no file with a text in it that ends in {}",
            Format::EXTENSIONS.join(", ")
        ))),
        (failed, Some(_)) => Err(Failure::new(format!(
            "{} could not be read, the others are in",
            count(failed, "file")
        ))),
        (failed, None) => Err(Failure::new(format!(
            "{} could not be read, nothing was ingested",
            count(failed, "file")
        ))),
    }
}

fn count(number: usize, thing: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{end}")
}

/// What was ingested.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) files: usize,
    pub(super) chunks: usize,
    /// Items that faiss-wrap has since then; `None` when nothing was sent.
    pub(super) total_items: Option<usize>,
    pub(super) failed: Vec<(PathBuf, String)>,
    pub(super) took: Duration,
}

/// Reads, cuts and sends. A file that cannot be read is reported, and the rest goes on.
pub(super) async fn ingest(
    faiss_wrap_url: &str,
    paths: &[PathBuf],
    options: ChunkOptions,
    progress: bool,
) -> Result<Summary, Failure> {
    let started = Instant::now();
    let files =
        chunk::discover(paths).map_err(|error| Failure::of("nothing was ingested", &error))?;
    let bar = if progress {
        bar(files.len())
    } else {
        ProgressBar::hidden()
    };
    let client = client(faiss_wrap_url)?;
    let mut summary = Summary {
        files: 0,
        chunks: 0,
        total_items: None,
        failed: Vec::new(),
        took: Duration::ZERO,
    };
    let mut batch: Vec<Item> = Vec::new();
    for path in files {
        bar.set_message(path.display().to_string());
        match read(&path, options).await {
            Ok(items) => {
                summary.files += 1;
                batch.extend(items);
            }
            Err(why) => summary.failed.push((path, why)),
        }
        while batch.len() >= BATCH {
            let rest = batch.split_off(BATCH);
            send(
                &client,
                faiss_wrap_url,
                std::mem::replace(&mut batch, rest),
                &mut summary,
            )
            .await?;
        }
        bar.inc(1);
    }
    if !batch.is_empty() {
        send(&client, faiss_wrap_url, batch, &mut summary).await?;
    }
    bar.finish_and_clear();
    summary.took = started.elapsed();
    Ok(summary)
}

async fn read(path: &Path, options: ChunkOptions) -> Result<Vec<Item>, String> {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let chunks = chunk::chunk_file(&path, &options).map_err(|error| error.to_string())?;
        Ok(chunks.into_iter().map(Item::from).collect())
    });
    read.await.unwrap_or_else(|error| Err(error.to_string()))
}

async fn send(
    client: &Client,
    url: &str,
    items: Vec<Item>,
    summary: &mut Summary,
) -> Result<(), Failure> {
    let sent = items.len();
    let response = client
        .post(format!("{url}/upsert"))
        .json(&UpsertRequest { items })
        .send()
        .await
        .map_err(|error| {
            Failure::of(
                format!("faiss-wrap cannot be reached at {url} (--faiss-wrap-url)"),
                &error,
            )
        })?;
    let answer: UpsertResponse = answer(response).await?;
    summary.chunks += sent;
    summary.total_items = Some(answer.total_items);
    Ok(())
}

/// A client for a service. A service on this machine is not asked through a proxy.
pub(super) fn client(url: &str) -> Result<Client, Failure> {
    let mut builder = Client::builder();
    if reqwest::Url::parse(url).is_ok_and(|url| is_here(&url)) {
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|error| Failure::of("the HTTP client could not be built", &error))
}

fn is_here(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// The body of a good answer, or what a refusal says.
pub(super) async fn answer<T: serde::de::DeserializeOwned>(
    response: reqwest::Response,
) -> Result<T, Failure> {
    let (url, status) = (response.url().clone(), response.status());
    if status.is_success() {
        return response.json().await.map_err(|error| {
            Failure::of(format!("{url} gave an answer that cannot be read"), &error)
        });
    }
    let body: Value = response.json().await.unwrap_or_default();
    let why = body
        .get("error")
        .and_then(Value::as_str)
        .unwrap_or("it does not say why");
    Err(Failure::new(format!("{url} answered {status}: {why}")))
}

fn bar(files: usize) -> ProgressBar {
    let bar = ProgressBar::new(files as u64);
    // The template is a constant that a test of the command line has seen.
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {pos}/{len} files, {per_sec}, {eta} left  {msg}")
    {
        bar.set_style(style);
    }
    bar
}
