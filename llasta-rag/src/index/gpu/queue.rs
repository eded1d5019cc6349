//! Searches take turns, and those that wait are searched together.
//!
//! A GPU index of FAISS's serves one search at a time, and one of a hundred queries takes hardly longer
//! than one of one: the vectors are read once. So whoever finds a searcher free takes everything along that
//! waits. Nothing is waited for to make a batch larger.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use super::super::IndexError;
use super::super::ffi::{Hits, failed};

/// Queries beyond which no further search joins a batch.
const BATCH: usize = 1024;

/// What searches, one search at a time.
pub(in crate::index) trait Searcher: Send {
    /// The `take` nearest of each query; `queries` holds them one after the other.
    fn search(&mut self, queries: &[f32], take: usize) -> Result<Hits, IndexError>;
}

impl Searcher for Box<dyn Searcher> {
    fn search(&mut self, queries: &[f32], take: usize) -> Result<Hits, IndexError> {
        (**self).search(queries, take)
    }
}

/// Searchers of the same vectors, and who waits for one.
pub(super) struct Queue<S> {
    dimension: usize,
    state: Mutex<State<S>>,
    /// Told whenever a searcher comes back.
    back: Condvar,
}

struct State<S> {
    waiting: VecDeque<Arc<Asked>>,
    idle: Vec<S>,
    busy: usize,
    closed: bool,
}

/// One search.
struct Asked {
    queries: Vec<f32>,
    take: usize,
    answer: OnceLock<Result<Hits, String>>,
}

impl<S: Searcher> Queue<S> {
    pub(super) fn new(dimension: usize, searchers: Vec<S>) -> Self {
        Self {
            dimension,
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                idle: searchers,
                busy: 0,
                closed: false,
            }),
            back: Condvar::new(),
        }
    }

    /// At least the `take` nearest of each query; `None` where the searchers were let go of.
    pub(super) fn search(
        &self,
        queries: Vec<f32>,
        take: usize,
    ) -> Result<Option<Hits>, IndexError> {
        let asked = Arc::new(Asked {
            queries,
            take,
            answer: OnceLock::new(),
        });
        let mut state = self.lock();
        if state.closed {
            return Ok(None);
        }
        state.waiting.push_back(Arc::clone(&asked));
        loop {
            if asked.answer.get().is_some() {
                break;
            }
            if state.closed && state.waiting.iter().any(|other| Arc::ptr_eq(other, &asked)) {
                state.waiting.retain(|other| !Arc::ptr_eq(other, &asked));
                return Ok(None);
            }
            let batch = match state.idle.pop() {
                Some(searcher) => {
                    let batch = state.batch(self.dimension);
                    if batch.is_empty() {
                        state.idle.push(searcher);
                        None
                    } else {
                        state.busy += 1;
                        Some((searcher, batch))
                    }
                }
                None => None,
            };
            state = match batch {
                Some((searcher, batch)) => {
                    drop(state);
                    Turn {
                        queue: self,
                        searcher: Some(searcher),
                        batch,
                    }
                    .run();
                    self.lock()
                }
                None => self
                    .back
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
        drop(state);
        // Whoever answered may hold on to it for a moment longer.
        match asked.answer.get() {
            Some(Ok(hits)) => Ok(Some(hits.clone())),
            Some(Err(message)) => Err(failed(message.clone())),
            None => Ok(None),
        }
    }

    /// Lets go of the searchers, each at the end of its turn. Searches that wait are told so.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.back.notify_all();
        while state.busy > 0 {
            state = self
                .back
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        drop(idle);
    }

    /// No searcher panics while it holds this lock.
    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> State<S> {
    /// What waits, up to the first that makes it too much.
    fn batch(&mut self, dimension: usize) -> Vec<Arc<Asked>> {
        let (mut batch, mut queries) = (Vec::new(), 0);
        while let Some(next) = self.waiting.front() {
            let more = next.queries.len() / dimension.max(1);
            if !batch.is_empty() && queries + more > BATCH {
                break;
            }
            queries += more;
            batch.extend(self.waiting.pop_front());
        }
        batch
    }
}

/// A searcher with what it is to search. At its end, even by a panic, everybody is answered.
struct Turn<'a, S: Searcher> {
    queue: &'a Queue<S>,
    searcher: Option<S>,
    batch: Vec<Arc<Asked>>,
}

impl<S: Searcher> Turn<'_, S> {
    fn run(mut self) {
        let Some(searcher) = self.searcher.as_mut() else {
            return;
        };
        if let [only] = self.batch.as_slice() {
            let found = searcher.search(&only.queries, only.take);
            let _ = only.answer.set(found.map_err(|error| error.to_string()));
            return;
        }
        let take = self.batch.iter().map(|asked| asked.take).max().unwrap_or(0);
        let queries: Vec<_> = self
            .batch
            .iter()
            .map(|asked| asked.queries.as_slice())
            .collect();
        let found = searcher.search(&queries.concat(), take);
        let mut first = 0;
        for asked in &self.batch {
            let count = asked.queries.len() / self.queue.dimension.max(1);
            let answer = match &found {
                Ok(hits) => Ok(hits.part(first..first + count)),
                Err(error) => Err(error.to_string()),
            };
            let _ = asked.answer.set(answer);
            first += count;
        }
    }
}

impl<S: Searcher> Drop for Turn<'_, S> {
    fn drop(&mut self) {
        for asked in &self.batch {
            let _ = asked.answer.set(Err("the search broke off".to_owned()));
        }
        let mut state = self.queue.lock();
        state.busy -= 1;
        state.idle.extend(self.searcher.take());
        self.queue.back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::index::ffi::{Narrowed, Native};

    /// FAISS's flat index on the CPU, which says how many queries it is given at a time.
    struct Flat {
        native: Native,
        given: mpsc::Sender<usize>,
        go: mpsc::Receiver<()>,
    }

    impl Searcher for Flat {
        fn search(&mut self, queries: &[f32], take: usize) -> Result<Hits, IndexError> {
            self.given.send(queries.len() / 2).unwrap();
            self.go.recv().unwrap();
            assert!(take < 100, "told to panic");
            self.native.search(queries, take, Narrowed::default())
        }
    }

    fn flat() -> (Flat, mpsc::Receiver<usize>, mpsc::Sender<()>) {
        let values: Vec<f32> = (0_u8..16).flat_map(|i| [f32::from(i), 1.0]).collect();
        let (given, was_given) = mpsc::channel();
        let (let_go, go) = mpsc::channel();
        let native = Native::flat(2, &values).unwrap();
        (Flat { native, given, go }, was_given, let_go)
    }

    fn labels(hits: &Hits, query: usize) -> Vec<usize> {
        hits.of(query).map(|(label, _)| label).collect()
    }

    #[test]
    fn searches_that_wait_for_the_one_searcher_are_searched_together() {
        let (searcher, was_given, go) = flat();
        let queue = Queue::new(2, vec![searcher]);
        thread::scope(|scope| {
            let first = scope.spawn(|| queue.search(vec![1.0, 0.0], 1));
            assert_eq!(was_given.recv().unwrap(), 1);
            let up = scope.spawn(|| queue.search(vec![1.0, 0.0], 2));
            let down = scope.spawn(|| queue.search(vec![-1.0, 0.0, 1.0, 0.0], 3));
            while queue.lock().waiting.len() < 2 {
                thread::yield_now();
            }
            go.send(()).unwrap();
            assert_eq!(was_given.recv().unwrap(), 3);
            go.send(()).unwrap();
            let first = first.join().unwrap().unwrap().unwrap();
            assert_eq!(labels(&first, 0), [15]);
            let up = up.join().unwrap().unwrap().unwrap();
            assert_eq!(labels(&up, 0)[..2], [15, 14]);
            let down = down.join().unwrap().unwrap().unwrap();
            assert_eq!(labels(&down, 0)[..3], [0, 1, 2]);
            assert_eq!(labels(&down, 1)[..3], [15, 14, 13]);
        });
    }

    #[test]
    fn closing_waits_for_the_running_search_and_turns_the_others_away() {
        let (searcher, was_given, go) = flat();
        let queue = Queue::new(2, vec![searcher]);
        thread::scope(|scope| {
            let running = scope.spawn(|| queue.search(vec![1.0, 0.0], 1));
            was_given.recv().unwrap();
            let waiting = scope.spawn(|| queue.search(vec![1.0, 0.0], 1));
            while queue.lock().waiting.is_empty() {
                thread::yield_now();
            }
            let closing = scope.spawn(|| queue.close());
            while !queue.lock().closed {
                thread::yield_now();
            }
            assert!(!closing.is_finished());
            go.send(()).unwrap();
            closing.join().unwrap();
            assert!(running.join().unwrap().unwrap().is_some());
            assert!(waiting.join().unwrap().unwrap().is_none());
        });
        assert!(queue.search(vec![1.0, 0.0], 1).unwrap().is_none());
        assert!(queue.lock().idle.is_empty());
    }

    #[test]
    fn a_search_that_panics_fails_for_those_beside_it_and_leaves_the_queue_working() {
        let (searcher, was_given, go) = flat();
        let queue = Queue::new(2, vec![searcher]);
        thread::scope(|scope| {
            let first = scope.spawn(|| queue.search(vec![1.0, 0.0], 1));
            was_given.recv().unwrap();
            let askers: Vec<_> = [1, 100]
                .map(|take| {
                    let queue = &queue;
                    scope.spawn(move || queue.search(vec![1.0, 0.0], take))
                })
                .into_iter()
                .collect();
            while queue.lock().waiting.len() < 2 {
                thread::yield_now();
            }
            go.send(()).unwrap();
            was_given.recv().unwrap();
            go.send(()).unwrap();
            assert!(first.join().unwrap().is_ok());
            let failed = AtomicUsize::new(0);
            for asker in askers {
                if !matches!(asker.join(), Ok(Ok(_))) {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            }
            assert_eq!(failed.into_inner(), 2);
            go.send(()).unwrap();
            assert!(queue.search(vec![1.0, 0.0], 1).unwrap().is_some());
        });
    }
}
