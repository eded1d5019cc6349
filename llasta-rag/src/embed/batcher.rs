//! A queue between those who want vectors and a model that makes them fastest many at a time.
//!
//! One thread runs the model. Whatever has come while a pass was running shares the next one, up to a
//! number of tokens; nobody waits for a batch to fill. Queries go first, and a pass is of queries or of
//! texts: so a query waits for one pass at most, however large the upsert that is being embedded, and
//! as every second pass is of texts where there are any, an upsert is never starved by queries.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;

use super::{EmbedError, Embedder};
use crate::Device;

/// How much a [`Batcher`] takes.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// Most tokens of a pass. A text that has more alone has a pass of its own.
    pub tokens: usize,
    /// Most calls that wait; of the next one it is said that the model is busy.
    pub queue: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self {
            tokens: 1024,
            queue: 256,
        }
    }
}

/// Gathers the texts of concurrent calls into passes of one model.
///
/// Dropping it ends its thread after the pass that runs; what waits then is refused.
pub struct Batcher {
    model: Arc<dyn Embedder>,
    shared: Arc<Shared>,
    limits: BatchLimits,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Batcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher")
            .field("model", &self.model)
            .field("limits", &self.limits)
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    queries: VecDeque<Job>,
    texts: VecDeque<Job>,
    closed: bool,
}

/// What one call wants.
#[derive(Debug)]
struct Job {
    /// Each with its number of tokens.
    texts: Vec<(String, usize)>,
    /// The vectors of the first texts.
    done: Vec<Vec<f32>>,
    reply: SyncSender<Result<Vec<Vec<f32>>, EmbedError>>,
    /// Gone when nobody waits any more.
    caller: Weak<()>,
}

/// Vectors that are being made. Dropped, they are not made after all.
#[derive(Debug)]
pub struct Waiting {
    reply: Receiver<Result<Vec<Vec<f32>>, EmbedError>>,
    model: String,
    _caller: Arc<()>,
}

impl Waiting {
    /// Blocks until they are there.
    ///
    /// # Errors
    ///
    /// A failing model, or one that was taken away.
    pub fn wait(self) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.reply.recv().unwrap_or_else(|_| {
            Err(EmbedError::Model {
                model: self.model,
                message: "it is being shut down".to_owned(),
            })
        })
    }
}

impl Batcher {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// A thread that cannot be started.
    pub fn new(model: Arc<dyn Embedder>, limits: BatchLimits) -> Result<Self, EmbedError> {
        let shared = Arc::new(Shared::default());
        let worker = Worker {
            model: Arc::clone(&model),
            shared: Arc::clone(&shared),
            tokens: limits.tokens,
            texts_next: false,
        };
        let thread = std::thread::Builder::new()
            .name("embed-batcher".to_owned())
            .spawn(move || worker.run())
            .map_err(|error| EmbedError::Model {
                model: model.model().to_owned(),
                message: format!("its thread cannot be started: {error}"),
            })?;
        Ok(Self {
            model,
            shared,
            limits,
            thread: Some(thread),
        })
    }

    /// How many calls wait for the next pass.
    pub fn waiting(&self) -> usize {
        let queue = self.shared.lock();
        queue.queries.len() + queue.texts.len()
    }

    /// Queues texts to be embedded, without blocking.
    ///
    /// # Errors
    ///
    /// [`EmbedError::Busy`] where as many calls wait as may.
    pub fn submit(&self, texts: &[&str]) -> Result<Waiting, EmbedError> {
        self.queue(texts, |queue| &mut queue.texts)
    }

    /// Like [`submit`](Self::submit), for queries, which go first.
    ///
    /// # Errors
    ///
    /// [`EmbedError::Busy`] where as many calls wait as may.
    pub fn submit_queries(&self, queries: &[&str]) -> Result<Waiting, EmbedError> {
        self.queue(queries, |queue| &mut queue.queries)
    }

    fn queue(
        &self,
        texts: &[&str],
        kind: impl Fn(&mut Queue) -> &mut VecDeque<Job>,
    ) -> Result<Waiting, EmbedError> {
        let (sender, receiver) = sync_channel(1);
        let caller = Arc::new(());
        let counted = texts
            .iter()
            .map(|&text| (text.to_owned(), self.model.count_tokens(text)));
        let job = Job {
            texts: counted.collect(),
            done: Vec::with_capacity(texts.len()),
            reply: sender,
            caller: Arc::downgrade(&caller),
        };
        let mut queue = self.shared.lock();
        let full = |queue: &Queue| queue.queries.len() + queue.texts.len() >= self.limits.queue;
        if full(&queue) {
            // Those who have gone leave room.
            let waits = |job: &Job| job.caller.strong_count() > 0;
            queue.queries.retain(waits);
            queue.texts.retain(waits);
        }
        if full(&queue) {
            return Err(EmbedError::Busy {
                waiting: self.limits.queue,
            });
        }
        kind(&mut queue).push_back(job);
        drop(queue);
        self.shared.changed.notify_one();
        Ok(Waiting {
            reply: receiver,
            model: self.model.model().to_owned(),
            _caller: caller,
        })
    }
}

impl Drop for Batcher {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It catches panics, so it has ended well.
            let _ = thread.join();
        }
    }
}

impl Embedder for Batcher {
    fn model(&self) -> &str {
        self.model.model()
    }

    fn dimension(&self) -> usize {
        self.model.dimension()
    }

    fn device(&self) -> Device {
        self.model.device()
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        self.submit(texts)?.wait()
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        if queries.is_empty() {
            return Ok(Vec::new());
        }
        self.submit_queries(queries)?.wait()
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.model.count_tokens(text)
    }

    fn max_tokens(&self) -> Option<usize> {
        self.model.max_tokens()
    }
}

impl Shared {
    /// Nothing is left half-done under the lock, so a panic elsewhere does not matter.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Queries,
    Texts,
}

struct Worker {
    model: Arc<dyn Embedder>,
    shared: Arc<Shared>,
    tokens: usize,
    /// Whether the last pass was of queries while texts waited.
    texts_next: bool,
}

impl Worker {
    fn run(mut self) {
        while let Some((kind, jobs)) = self.next() {
            self.pass(kind, jobs);
        }
    }

    /// The jobs of the next pass, each with how many of its texts; `None` at the end.
    fn next(&mut self) -> Option<(Kind, Vec<(Job, usize)>)> {
        let mut queue = self.shared.lock();
        loop {
            if queue.closed {
                queue.queries.clear();
                queue.texts.clear();
                return None;
            }
            let waits = |job: &Job| job.caller.strong_count() > 0;
            queue.queries.retain(waits);
            queue.texts.retain(waits);
            let (queries, texts) = (!queue.queries.is_empty(), !queue.texts.is_empty());
            if queries && !(texts && self.texts_next) {
                self.texts_next = texts;
                return Some((Kind::Queries, take(&mut queue.queries, self.tokens)));
            }
            if texts {
                self.texts_next = false;
                return Some((Kind::Texts, take(&mut queue.texts, self.tokens)));
            }
            let changed = self.shared.changed.wait(queue);
            queue = changed.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Runs the model, answers those whose last text it was, and puts the others back in front.
    fn pass(&self, kind: Kind, jobs: Vec<(Job, usize)>) {
        let texts = jobs.iter().flat_map(|(job, count)| {
            let texts = &job.texts[job.done.len()..][..*count];
            texts.iter().map(|(text, _)| text.as_str())
        });
        let texts: Vec<_> = texts.collect();
        match self.embed(kind, &texts) {
            Ok(vectors) => {
                let mut vectors = vectors.into_iter();
                let mut unfinished = Vec::new();
                for (mut job, count) in jobs {
                    job.done.extend(vectors.by_ref().take(count));
                    if job.done.len() == job.texts.len() {
                        // Whoever has gone meanwhile does not mind.
                        let _ = job.reply.try_send(Ok(job.done));
                    } else {
                        unfinished.push(job);
                    }
                }
                let mut queue = self.shared.lock();
                let place = match kind {
                    Kind::Queries => &mut queue.queries,
                    Kind::Texts => &mut queue.texts,
                };
                for job in unfinished.into_iter().rev() {
                    place.push_front(job);
                }
            }
            Err(error) => {
                // One text may have spoilt it for all: each call is tried alone.
                if let [(job, _)] = &jobs[..] {
                    let _ = job.reply.try_send(Err(error));
                    return;
                }
                for job in jobs {
                    self.pass(kind, vec![job]);
                }
            }
        }
    }

    fn embed(&self, kind: Kind, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let fail = |message: String| EmbedError::Model {
            model: self.model.model().to_owned(),
            message,
        };
        let made = catch_unwind(AssertUnwindSafe(|| match kind {
            Kind::Queries => self.model.embed_queries(texts),
            Kind::Texts => self.model.embed(texts),
        }));
        let vectors =
            made.map_err(|panic| fail(format!("it panicked: {}", said(panic.as_ref()))))??;
        if vectors.len() == texts.len() {
            Ok(vectors)
        } else {
            Err(fail(format!(
                "it returned {} vectors for {} texts",
                vectors.len(),
                texts.len()
            )))
        }
    }
}

/// Jobs from the front, as long as their texts fit; of the last one only the texts that do. The first
/// text fits always.
fn take(queue: &mut VecDeque<Job>, most: usize) -> Vec<(Job, usize)> {
    let mut taken = Vec::new();
    let mut sum = 0;
    while let Some(job) = queue.pop_front() {
        let rest = &job.texts[job.done.len()..];
        let mut count = 0;
        for (_, tokens) in rest {
            let first = taken.is_empty() && count == 0;
            if !first && sum + tokens > most {
                break;
            }
            sum += tokens;
            count += 1;
        }
        let whole = count == rest.len();
        if count == 0 {
            queue.push_front(job);
            break;
        }
        taken.push((job, count));
        if !whole {
            break;
        }
    }
    taken
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
