//! `llasta ingest`
//!
//! Files are read and cut while chunks are on their way, so that faiss-wrap, which embeds and therefore is
//! the slowest, never waits. What was done before is not kept here but asked of faiss-wrap: each chunk's
//! metadata says of which revision of its file it is, so any machine can go on where a run was cut off.
//!
//! In reading order: `plan` is what there is and how it is cut, `server` what is said to faiss-wrap,
//! `sending` the chunks on their way, `report` what is said at the end.

mod plan;
mod report;
mod sending;
mod server;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use llasta_rag::chunk::{self, ChunkOptions, PDF_THREAD};
use llasta_rag::embed::token_counter;
use llasta_rag::pipeline::Item;
use reqwest::Client;
use serde_json::Value;

use self::plan::{Cut, Plan, Planned};
use self::report::{Summary, count};
use self::sending::Sending;
use self::server::{Held, Server};
use super::args::IngestArgs;
use super::failure::Failure;

/// Files that are read at the same time.
const READERS: usize = 2;

/// Files that faiss-wrap is asked about at once.
const WINDOW: usize = 32;

pub(super) async fn run(arguments: &IngestArgs) -> Result<(), Failure> {
    let options = options(arguments)?;
    quiet_about_pdfs();
    let how = How {
        options,
        model: arguments.embed_model.clone(),
        force: arguments.force,
        progress: true,
    };
    if arguments.dry_run {
        return dry_run(&arguments.paths, &how).await?.print(true);
    }
    let summary = ingest(&arguments.faiss_wrap_url, &arguments.paths, &how).await?;
    summary.print(false)
}

fn options(arguments: &IngestArgs) -> Result<ChunkOptions, Failure> {
    let (flag, options) = match arguments.max_tokens {
        None => {
            let (max, overlap) = (arguments.max_chars, arguments.overlap_chars);
            ("chars", ChunkOptions::chars(max, overlap))
        }
        Some(max) => {
            let counter = token_counter(&arguments.embed_model).map_err(Failure::setting)?;
            if let Some(most) = counter.max_tokens().filter(|&most| most < max) {
                return Err(Failure::setting(format!(
                    "--max-tokens is {max}, but {} reads at most {most} of a text",
                    arguments.embed_model
                )));
            }
            let overlap = arguments.overlap_tokens.unwrap_or(max / 8);
            (
                "tokens",
                ChunkOptions::tokens(max, overlap, Arc::new(counter)),
            )
        }
    };
    if options.overlap >= options.max {
        return Err(Failure::setting(format!(
            "--overlap-{flag} is {} and --max-{flag} {}: the overlap must be smaller",
            options.overlap, options.max
        )));
    }
    Ok(options)
}

/// A PDF that makes its parser panic is reported like any other bad file, and no more than that.
fn quiet_about_pdfs() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() != Some(PDF_THREAD) {
            usual(panic);
        }
    }));
}

/// How files are ingested.
#[derive(Debug, Clone, Default)]
pub(super) struct How {
    pub(super) options: ChunkOptions,
    /// The model whose tokens are counted.
    pub(super) model: String,
    /// Whether what is in and unchanged is sent too.
    pub(super) force: bool,
    /// Whether there is a progress bar.
    pub(super) progress: bool,
}

/// Reads, cuts and sends. A file that cannot be read is reported, and the rest goes on.
pub(super) async fn ingest(
    faiss_wrap_url: &str,
    paths: &[PathBuf],
    how: &How,
) -> Result<Summary, Failure> {
    let started = Instant::now();
    let plan = Arc::new(plan(paths, how).await?);
    let server = Server::new(faiss_wrap_url)?;
    let total = server.total().await?;
    if total.is_none() {
        eprintln!(
            "llasta: this faiss-wrap does not list what it holds: everything is sent, and chunks that files no longer have stay"
        );
    }
    let bar = if how.progress {
        bar(&plan)
    } else {
        ProgressBar::hidden()
    };
    let mut run = Run {
        how,
        known: Known {
            server: server.clone(),
            plan: Arc::clone(&plan),
            // What is empty need not be asked.
            asks: total.is_some_and(|total| total > 0),
            sent: HashSet::new(),
        },
        sending: Sending::new(server, bar.clone()),
        summary: Summary {
            reading: plan.took,
            total_items: total,
            ..Summary::default()
        },
        bar: bar.clone(),
    };
    let done = run.all(&plan).await;
    bar.finish_and_clear();
    let arrived = run.sending.arrived;
    if let Err(failure) = done {
        if arrived > 0 {
            return Err(Failure {
                message: format!(
                    "{}; {} had arrived: start again to go on from there",
                    failure.message,
                    count(arrived, "chunk")
                ),
                ..failure
            });
        }
        return Err(failure);
    }
    let Run {
        mut summary,
        sending,
        ..
    } = run;
    summary.chunks = arrived;
    summary.deleted = sending.deleted;
    summary.total_items = sending.total_items.or(summary.total_items);
    summary.waiting += sending.waited;
    summary.took = started.elapsed();
    Ok(summary)
}

/// Prints the chunks that would be sent to an empty faiss-wrap.
async fn dry_run(paths: &[PathBuf], how: &How) -> Result<Summary, Failure> {
    let started = Instant::now();
    let plan = plan(paths, how).await?;
    let mut summary = Summary {
        reading: plan.took,
        ..Summary::default()
    };
    let mut seen = HashSet::new();
    let mut files = futures_util::stream::iter(&plan.files)
        .map(|file| read(Arc::clone(file), how))
        .buffered(READERS);
    while let Some((file, cut)) = files.next().await {
        let Some(items) = summary.read(&file, cut) else {
            continue;
        };
        for item in items {
            if !seen.insert(text_of(&item.metadata, "hash")) {
                summary.duplicates += 1;
                continue;
            }
            summary.chunks += 1;
            let page = item
                .metadata
                .get("page")
                .map_or(String::new(), |page| format!("page {page}, "));
            let length = how.options.unit.count(&item.text);
            println!(
                "--- {} ({page}{length} {})\n{}\n",
                item.id,
                how.options.unit.name(),
                item.text
            );
        }
    }
    summary.took = started.elapsed();
    Ok(summary)
}

async fn plan(paths: &[PathBuf], how: &How) -> Result<Plan, Failure> {
    let (paths, how) = (paths.to_vec(), how.clone());
    let planned = tokio::task::spawn_blocking(move || {
        let files = chunk::discover(&paths)?;
        Ok(Plan::of(files, &how.options, &how.model))
    });
    planned
        .await
        .map_err(|error| Failure::of("looking for files broke off", &error))?
        .map_err(|error: chunk::ChunkError| Failure::of("nothing was ingested", &error))
}

async fn read(file: Arc<Planned>, how: &How) -> (Arc<Planned>, Result<Cut, String>) {
    let options = how.options.clone();
    let reading = Arc::clone(&file);
    let cut = tokio::task::spawn_blocking(move || plan::cut(&reading, &options));
    let cut = cut.await.unwrap_or_else(|error| Err(error.to_string()));
    (file, cut)
}

fn text_of(metadata: &Value, key: &str) -> String {
    let text = metadata.get(key).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// A run of ingestion.
struct Run<'a> {
    how: &'a How,
    known: Known,
    sending: Sending,
    summary: Summary,
    bar: ProgressBar,
}

impl Run<'_> {
    async fn all(&mut self, plan: &Plan) -> Result<(), Failure> {
        for (window, files) in plan.files.chunks(WINDOW).enumerate() {
            let mut held = self.held(files).await?;
            let mut changed = Vec::new();
            for file in files {
                let held = held.remove(&file.source).unwrap_or_default();
                if !self.how.force && is_complete(file, &held) {
                    self.summary.unchanged += 1;
                    self.bar.inc(file.bytes);
                } else {
                    changed.push((Arc::clone(file), held));
                }
            }
            let how = self.how;
            let mut reads = futures_util::stream::iter(changed)
                .map(|(file, held)| async move { (read(file, how).await, held) })
                .buffered(READERS);
            let mut number = window * WINDOW;
            while let Some(((file, cut), held)) = reads.next().await {
                number += 1;
                let Some(items) = self.summary.read(&file, cut) else {
                    self.bar.inc(file.bytes);
                    continue;
                };
                self.file(number, file, items, held).await?;
            }
        }
        self.sending.finish().await
    }

    async fn held(
        &mut self,
        files: &[Arc<Planned>],
    ) -> Result<HashMap<String, Vec<Held>>, Failure> {
        if !self.known.asks {
            return Ok(HashMap::new());
        }
        let asked = Instant::now();
        let sources = files.iter().map(|file| file.source.clone()).collect();
        let held = self.known.server.of_sources(sources).await?;
        self.summary.waiting += asked.elapsed();
        Ok(held)
    }

    async fn file(
        &mut self,
        number: usize,
        file: Arc<Planned>,
        items: Vec<Item>,
        held: Vec<Held>,
    ) -> Result<(), Failure> {
        let asked = Instant::now();
        let elsewhere = if self.how.force {
            HashMap::new()
        } else {
            self.known.elsewhere(&items).await?
        };
        self.summary.waiting += asked.elapsed();
        let before: HashMap<_, _> = held
            .into_iter()
            .map(|held| (held.id.clone(), held))
            .collect();
        let mut keep = Vec::new();
        let mut send = Vec::new();
        for item in items {
            let hash = text_of(&item.metadata, "hash");
            let mine = before.get(&item.id);
            let is_in = mine.is_some_and(|held| {
                held.revision == file.revision && held.hash.as_deref() == Some(&hash)
            });
            let there = elsewhere
                .get(&hash)
                .is_some_and(|ids| ids.iter().any(|id| *id != item.id));
            if self.known.sent.contains(&hash) || (there && !is_in) {
                self.summary.duplicates += 1;
                continue;
            }
            self.known.sent.insert(hash);
            keep.push(item.id.clone());
            if !is_in || self.how.force {
                self.summary.replaced += usize::from(mine.is_some());
                send.push(item);
            }
        }
        let kept: HashSet<_> = keep.iter().map(String::as_str).collect();
        let stale = before.keys().any(|id| !kept.contains(id.as_str()));
        if send.is_empty() {
            self.bar.inc(file.bytes);
        }
        if send.is_empty() && !stale && !before.is_empty() {
            self.summary.unchanged += 1;
            self.summary.files -= 1;
        }
        self.sending
            .file(number, file, send, stale.then_some(keep))
            .await
    }
}

/// Whether all chunks of a file as it is now are in, and none of another time.
fn is_complete(file: &Planned, held: &[Held]) -> bool {
    file.revision.is_some()
        && !held.is_empty()
        && held
            .iter()
            .all(|one| one.revision == file.revision && one.chunks == Some(held.len() as u64))
}

/// Which texts are there already.
#[derive(Debug)]
struct Known {
    server: Server,
    plan: Arc<Plan>,
    asks: bool,
    /// Hashes of the texts of this run.
    sent: HashSet<String>,
}

impl Known {
    /// The names under which the texts of these items are held. One that this run may delete is none.
    async fn elsewhere(&self, items: &[Item]) -> Result<HashMap<String, Vec<String>>, Failure> {
        let mut names: HashMap<_, Vec<_>> = HashMap::new();
        if !self.asks || items.is_empty() {
            return Ok(names);
        }
        let hashes: Vec<_> = items
            .iter()
            .map(|item| text_of(&item.metadata, "hash"))
            .collect();
        for held in self.server.of_hashes(&hashes).await? {
            if self.plan.stays(&held.source, held.revision.as_deref())
                && let Some(hash) = held.hash
            {
                names.entry(hash).or_default().push(held.id);
            }
        }
        Ok(names)
    }
}

impl Summary {
    /// Takes what was read of a file, and returns its chunks.
    fn read(&mut self, file: &Planned, cut: Result<Cut, String>) -> Option<Vec<Item>> {
        match cut {
            Ok(cut) => {
                self.files += 1;
                self.pages += cut.pages;
                self.reading += cut.reading;
                self.chunking += cut.chunking;
                if !cut.unread_pages.is_empty() {
                    self.incomplete.push((file.path.clone(), cut.unread_pages));
                }
                Some(cut.items)
            }
            Err(why) => {
                self.failed.push((file.path.clone(), why));
                None
            }
        }
    }
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

fn bar(plan: &Plan) -> ProgressBar {
    let bar = ProgressBar::new(plan.bytes);
    // The template is a constant that a test of the command line has seen.
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes}, {eta} left  {msg}")
    {
        bar.set_style(style);
    }
    bar.set_message(count(plan.files.len(), "file"));
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
