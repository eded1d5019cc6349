//! Chunks on their way: batches, some of them at a time, and what is to be done when the last one of a
//! file has arrived.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use llasta_rag::api::search::UpsertResponse;
use llasta_rag::pipeline::Item;
use tokio::task::JoinSet;

use super::plan::Planned;
use super::server::Server;
use crate::cli::failure::Failure;

/// Chunks of one request.
const BATCH: usize = 64;

/// Requests that are under way at the same time: faiss-wrap always has the next one waiting.
const IN_FLIGHT: usize = 3;

/// A file whose chunks are on their way.
#[derive(Debug)]
struct File {
    planned: Arc<Planned>,
    chunks: usize,
    left: usize,
    /// What is to be kept of it, where faiss-wrap holds more than that.
    keep: Option<Vec<String>>,
}

/// How many chunks of which file.
type Parts = Vec<(usize, usize)>;

#[derive(Debug)]
pub(super) struct Sending {
    server: Server,
    bar: ProgressBar,
    files: HashMap<usize, File>,
    batch: Vec<Item>,
    parts: Parts,
    under_way: JoinSet<(Parts, Result<UpsertResponse, Failure>)>,
    started: Instant,
    /// Chunks that have arrived.
    pub(super) arrived: usize,
    pub(super) deleted: usize,
    pub(super) total_items: Option<usize>,
    /// How long nothing could be done but wait.
    pub(super) waited: Duration,
}

impl Sending {
    pub(super) fn new(server: Server, bar: ProgressBar) -> Self {
        Self {
            server,
            bar,
            files: HashMap::new(),
            batch: Vec::new(),
            parts: Vec::new(),
            under_way: JoinSet::new(),
            started: Instant::now(),
            arrived: 0,
            deleted: 0,
            total_items: None,
            waited: Duration::ZERO,
        }
    }

    /// Takes the chunks of a file. `keep` says what is to stay of it, where there is anything else.
    pub(super) async fn file(
        &mut self,
        number: usize,
        planned: Arc<Planned>,
        items: Vec<Item>,
        keep: Option<Vec<String>>,
    ) -> Result<(), Failure> {
        let file = File {
            planned,
            chunks: items.len(),
            left: items.len(),
            keep,
        };
        if items.is_empty() {
            return self.complete(file).await;
        }
        self.files.insert(number, file);
        for item in items {
            self.batch.push(item);
            match self.parts.last_mut() {
                Some((last, count)) if *last == number => *count += 1,
                _ => self.parts.push((number, 1)),
            }
            if self.batch.len() == BATCH {
                self.dispatch().await?;
            }
        }
        Ok(())
    }

    /// Waits until everything has arrived.
    pub(super) async fn finish(&mut self) -> Result<(), Failure> {
        self.dispatch().await?;
        while !self.under_way.is_empty() {
            self.receive().await?;
        }
        Ok(())
    }

    async fn dispatch(&mut self) -> Result<(), Failure> {
        if self.batch.is_empty() {
            return Ok(());
        }
        while self.under_way.len() >= IN_FLIGHT {
            self.receive().await?;
        }
        let (batch, parts) = (
            std::mem::take(&mut self.batch),
            std::mem::take(&mut self.parts),
        );
        let server = self.server.clone();
        self.under_way
            .spawn(async move { (parts, server.upsert(batch).await) });
        Ok(())
    }

    async fn receive(&mut self) -> Result<(), Failure> {
        let waiting = Instant::now();
        let Some(done) = self.under_way.join_next().await else {
            return Ok(());
        };
        self.waited += waiting.elapsed();
        let (parts, answered) = done.map_err(|error| Failure::of("sending broke off", &error))?;
        self.total_items = Some(answered?.total_items);
        for (number, count) in parts {
            self.arrived += count;
            let Some(file) = self.files.get_mut(&number) else {
                continue;
            };
            file.left -= count;
            self.bar
                .inc(file.planned.bytes * count as u64 / file.chunks as u64);
            if file.left == 0
                && let Some(file) = self.files.remove(&number)
            {
                self.complete(file).await?;
            }
        }
        let rate = self.arrived as f64 / self.started.elapsed().as_secs_f64().max(1e-9);
        self.bar
            .set_message(format!("{} chunks, {rate:.0}/s", self.arrived));
        Ok(())
    }

    /// All chunks of a file are in: what it had before and has no more goes.
    async fn complete(&mut self, file: File) -> Result<(), Failure> {
        if let Some(keep) = file.keep {
            let waiting = Instant::now();
            let answer = self.server.keep_only(&file.planned.source, keep).await?;
            self.waited += waiting.elapsed();
            self.deleted += answer.deleted;
            self.total_items = Some(answer.total_items);
        }
        Ok(())
    }
}
