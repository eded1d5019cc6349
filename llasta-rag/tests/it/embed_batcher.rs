//! The queue before a model, and the cache of queries.

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use llasta_rag::Device;
use llasta_rag::embed::{BatchLimits, Batcher, EmbedError, Embedder, QueryCache};

use crate::support::DEADLINE;

/// A pass as the model saw it.
#[derive(Debug, PartialEq, Eq)]
struct Pass {
    queries: bool,
    texts: Vec<String>,
}

/// A model that tells of each pass and runs it when the test lets it. A text's vector is its length,
/// its tokens are its words.
#[derive(Debug)]
struct Gate {
    begun: Mutex<Sender<Pass>>,
    go: Mutex<Receiver<()>>,
}

/// The test's end of a [`Gate`].
#[derive(Debug)]
struct Keeper {
    begun: Receiver<Pass>,
    go: Sender<()>,
}

impl Gate {
    fn new() -> (Arc<Self>, Keeper) {
        let ((begin, begun), (go, gone)) = (channel(), channel());
        let gate = Self {
            begun: Mutex::new(begin),
            go: Mutex::new(gone),
        };
        (Arc::new(gate), Keeper { begun, go })
    }

    fn pass(&self, queries: bool, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let pass = Pass {
            queries,
            texts: texts.iter().map(|&text| text.to_owned()).collect(),
        };
        // Where nobody listens and nobody opens the gate any more, the test is over.
        let _ = self.begun.lock().unwrap().send(pass);
        let _ = self.go.lock().unwrap().recv();
        assert!(
            !texts.contains(&"panic"),
            "a text that the model cannot bear"
        );
        if texts.contains(&"fail") {
            return Err(EmbedError::Model {
                model: "gate".to_owned(),
                message: "as told".to_owned(),
            });
        }
        Ok(texts.iter().map(|text| vec![text.len() as f32]).collect())
    }
}

impl Embedder for Gate {
    fn model(&self) -> &str {
        "gate"
    }

    fn dimension(&self) -> usize {
        1
    }

    fn device(&self) -> Device {
        Device::Cuda(3)
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.pass(false, texts)
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.pass(true, queries)
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
}

impl Keeper {
    /// The next pass, which then waits at the gate.
    #[track_caller]
    fn begun(&self) -> Pass {
        self.begun.recv_timeout(DEADLINE).unwrap()
    }

    fn open(&self) {
        self.go.send(()).unwrap();
    }

    /// The next pass, let through.
    #[track_caller]
    fn through(&self) -> Pass {
        let pass = self.begun();
        self.open();
        pass
    }
}

fn queries(texts: &[&str]) -> Pass {
    Pass {
        queries: true,
        ..stored(texts)
    }
}

fn stored(texts: &[&str]) -> Pass {
    Pass {
        queries: false,
        texts: texts.iter().map(|&text| text.to_owned()).collect(),
    }
}

fn batcher(tokens: usize, queue: usize) -> (Batcher, Keeper) {
    let (gate, keeper) = Gate::new();
    let batcher = Batcher::new(gate, BatchLimits { tokens, queue }).unwrap();
    (batcher, keeper)
}

#[test]
fn what_comes_while_a_pass_runs_shares_the_next_one() {
    let (batcher, keeper) = batcher(100, 100);
    let first = batcher.submit_queries(&["a"]).unwrap();
    assert_eq!(keeper.begun(), queries(&["a"]));
    let others: Vec<_> = ["bb", "ccc", "dddd"]
        .map(|query| batcher.submit_queries(&[query]).unwrap())
        .into();
    keeper.open();
    assert_eq!(keeper.through(), queries(&["bb", "ccc", "dddd"]));
    assert_eq!(first.wait().unwrap(), [[1.0]]);
    let vectors: Vec<_> = others
        .into_iter()
        .map(|waiting| waiting.wait().unwrap())
        .collect();
    assert_eq!(vectors, [[[2.0]], [[3.0]], [[4.0]]]);
}

#[test]
fn queue_and_cache_are_where_their_model_is() {
    let (batcher, _keeper) = batcher(100, 10);
    assert_eq!(batcher.device(), Device::Cuda(3));
    let cache = QueryCache::new(Arc::new(batcher), NonZeroUsize::MIN);
    assert_eq!(cache.device(), Device::Cuda(3));
}

#[test]
fn blocking_calls_from_many_threads_each_get_their_own_vectors() {
    let (batcher, keeper) = batcher(100, 100);
    let held = batcher.submit_queries(&["x"]).unwrap();
    keeper.begun();
    std::thread::scope(|scope| {
        let calls: Vec<_> = (1..=8)
            .map(|length| {
                let batcher = &batcher;
                scope.spawn(move || batcher.embed_query(&"y".repeat(length)).unwrap())
            })
            .collect();
        let deadline = std::time::Instant::now() + DEADLINE;
        while batcher.waiting() < 8 {
            assert!(std::time::Instant::now() < deadline, "{batcher:?}");
            std::thread::yield_now();
        }
        keeper.open();
        let pass = keeper.through();
        assert_eq!(pass.texts.len(), 8);
        for (length, call) in (1..=8).zip(calls) {
            assert_eq!(call.join().unwrap(), [length as f32]);
        }
    });
    held.wait().unwrap();
}

#[test]
fn a_pass_has_no_more_tokens_than_allowed_and_a_long_text_has_one_of_its_own() {
    let (batcher, keeper) = batcher(4, 100);
    let held = batcher.submit(&["held"]).unwrap();
    keeper.begun();
    let texts = ["one two", "three", "four five", "1 2 3 4 5 6", "six"];
    let waiting = batcher.submit(&texts).unwrap();
    keeper.open();
    assert_eq!(keeper.through(), stored(&["one two", "three"]));
    assert_eq!(keeper.through(), stored(&["four five"]));
    assert_eq!(keeper.through(), stored(&["1 2 3 4 5 6"]));
    assert_eq!(keeper.through(), stored(&["six"]));
    let lengths = waiting.wait().unwrap().concat();
    assert_eq!(lengths, [7.0, 5.0, 9.0, 11.0, 3.0]);
    held.wait().unwrap();
}

#[test]
fn queries_go_before_the_rest_of_an_upsert_and_the_upsert_goes_on_between_them() {
    let (batcher, keeper) = batcher(2, 100);
    let upsert = batcher.submit(&["a b", "c d", "e f"]).unwrap();
    assert_eq!(keeper.begun(), stored(&["a b"]));
    let first = batcher.submit_queries(&["q r"]).unwrap();
    let second = batcher.submit_queries(&["s t"]).unwrap();
    keeper.open();
    assert_eq!(keeper.through(), queries(&["q r"]));
    assert_eq!(keeper.through(), stored(&["c d"]));
    assert_eq!(keeper.through(), queries(&["s t"]));
    assert_eq!(keeper.through(), stored(&["e f"]));
    for waiting in [first, second, upsert] {
        waiting.wait().unwrap();
    }
}

#[test]
fn a_full_queue_refuses_and_one_who_leaves_makes_room() {
    let (batcher, keeper) = batcher(100, 2);
    let running = batcher.submit(&["running"]).unwrap();
    keeper.begun();
    let stays = batcher.submit_queries(&["stays"]).unwrap();
    let leaves = batcher.submit(&["leaves"]).unwrap();
    for refused in [batcher.submit(&["more"]), batcher.submit_queries(&["more"])] {
        let error = refused.unwrap_err();
        assert!(matches!(error, EmbedError::Busy { waiting: 2 }), "{error}");
        assert!(error.to_string().contains("--embed-queue"), "{error}");
    }
    drop(leaves);
    let comes = batcher.submit(&["comes"]).unwrap();
    keeper.open();
    assert_eq!(keeper.through(), queries(&["stays"]));
    assert_eq!(keeper.through(), stored(&["comes"]), "and not who left");
    for waiting in [running, stays, comes] {
        waiting.wait().unwrap();
    }
}

#[test]
fn a_text_that_fails_or_panics_costs_only_its_own_call() {
    for bad in ["fail", "panic"] {
        let (batcher, keeper) = batcher(100, 100);
        let held = batcher.submit(&["held"]).unwrap();
        keeper.begun();
        let before = batcher.submit(&["before"]).unwrap();
        let spoilt = batcher.submit(&[bad]).unwrap();
        let after = batcher.submit(&["after"]).unwrap();
        keeper.open();
        assert_eq!(keeper.through(), stored(&["before", bad, "after"]));
        for alone in ["before", bad, "after"] {
            assert_eq!(keeper.through(), stored(&[alone]));
        }
        assert_eq!(before.wait().unwrap(), [[6.0]]);
        let message = spoilt.wait().unwrap_err().to_string();
        let expected = if bad == "fail" {
            "as told"
        } else {
            "cannot bear"
        };
        assert!(message.contains(expected), "{message}");
        assert_eq!(after.wait().unwrap(), [[5.0]]);
        held.wait().unwrap();
        let later = batcher.submit_queries(&["later"]).unwrap();
        keeper.through();
        assert_eq!(later.wait().unwrap(), [[5.0]]);
    }
}

#[test]
fn dropping_it_ends_the_pass_that_runs_and_refuses_what_waits() {
    let (batcher, keeper) = batcher(1, 100);
    let running = batcher.submit(&["running"]).unwrap();
    keeper.begun();
    let waits = batcher.submit(&["waits"]).unwrap();
    let dropping = std::thread::spawn(move || drop(batcher));
    // The thread is told to end before it is let through, or after: it must not run the next either way.
    keeper.open();
    let ended = running.wait().unwrap();
    assert_eq!(ended, [[7.0]]);
    drop(keeper);
    dropping.join().unwrap();
    // It was embedded only if the pass had begun before the end was told.
    if let Err(error) = waits.wait() {
        assert!(error.to_string().contains("shut down"), "{error}");
    }
}

#[test]
fn a_query_that_comes_again_costs_nothing_until_others_have_pushed_it_out() {
    let (gate, keeper) = Gate::new();
    let cache = QueryCache::new(gate, NonZeroUsize::new(2).unwrap());
    for _ in 0..8 {
        keeper.open();
    }
    let passes = || {
        keeper
            .begun
            .try_iter()
            .map(|pass| pass.texts)
            .collect::<Vec<_>>()
    };
    assert_eq!(cache.embed_query("a").unwrap(), [1.0]);
    assert_eq!(cache.embed_query("bb").unwrap(), [2.0]);
    assert_eq!(cache.embed_query("a").unwrap(), [1.0]);
    assert_eq!(passes(), [["a"], ["bb"]]);
    // Now "bb" is the one that was not asked for the longest.
    let mixed = cache.embed_queries(&["a", "ccc", "a"]).unwrap();
    assert_eq!(mixed, [[1.0], [3.0], [1.0]]);
    assert_eq!(passes(), [["ccc"]]);
    cache.embed_query("a").unwrap();
    cache.embed_query("bb").unwrap();
    assert_eq!(passes(), [["bb"]]);
    assert_eq!(cache.len(), 2);
    // Texts to be stored and queries of any length are not kept.
    cache.embed(&["a"]).unwrap();
    let long = "x".repeat(QueryCache::LONGEST + 1);
    cache.embed_query(&long).unwrap();
    cache.embed_query(&long).unwrap();
    assert_eq!(
        passes(),
        [vec!["a".to_owned()], vec![long.clone()], vec![long]]
    );
}

#[test]
fn a_query_that_failed_is_asked_again() {
    let (gate, keeper) = Gate::new();
    let cache = QueryCache::new(gate, NonZeroUsize::new(2).unwrap());
    keeper.open();
    keeper.open();
    cache.embed_query("fail").unwrap_err();
    cache.embed_query("fail").unwrap_err();
    assert_eq!(keeper.begun.try_iter().count(), 2);
    assert!(cache.is_empty());
}
