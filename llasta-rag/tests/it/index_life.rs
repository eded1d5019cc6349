//! Searches, upserts and merges at the same time, and what stays when a row is gone.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use llasta_rag::embed::{EmbedError, Embedder};
use llasta_rag::index::{ExactIndex, Factory, FactoryIndex, Index, IndexConfig, IndexKind};
use llasta_rag::pipeline::{Collection, Item};
use llasta_rag::store::Filter;

use super::index_factory::{borrowed, clustered};

pub(super) fn index(kind: &str, dimension: usize) -> FactoryIndex {
    let factory = Factory::parse(kind).unwrap();
    FactoryIndex::new(dimension, &factory, &IndexConfig::default()).unwrap()
}

/// Waits for what other threads do.
fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(120);
    while !condition() {
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::yield_now();
    }
}

#[test]
fn a_tail_that_has_grown_is_merged_without_being_asked() {
    let index = index("HNSW16", 16);
    index.upsert(&borrowed(&clustered(1_023, 16, 0))).unwrap();
    assert_eq!((&*index.factory(), index.waiting()), ("Flat", 1_023));
    index.upsert(&borrowed(&clustered(1, 16, 2_000))).unwrap();
    until("the first main part", || index.waiting() == 0);
    assert_eq!(&*index.factory(), "HNSW16");
    assert_eq!(index.len(), 1_024);
    index
        .upsert(&borrowed(&clustered(1_024, 16, 3_000)))
        .unwrap();
    until("the second", || index.waiting() == 0);
    assert_eq!(index.len(), 2_048);
}

#[test]
fn rows_that_are_gone_are_let_go_of_when_they_are_a_quarter() {
    for kind in [
        "HNSW16",
        "IVF8,Flat",
        "SQ8",
        "HNSW16_SQ8",
        "RR16,IVF8,SQ8",
        "SQ8,RFlat",
    ] {
        let index = index(kind, 16);
        let rows = clustered(4_000, 16, 0);
        index.upsert(&borrowed(&rows)).unwrap();
        index.train().unwrap();
        let few: Vec<_> = (0..500).collect();
        assert_eq!(index.remove(&few).unwrap(), 500);
        assert_eq!(index.remove(&few).unwrap(), 0);
        index.upsert(&borrowed(&clustered(10, 16, 9_000))).unwrap();
        index.train().unwrap();
        assert_eq!((index.gone(), index.waiting()), (500, 0), "{kind}");
        let more: Vec<_> = (500..1_500).collect();
        assert_eq!(index.remove(&more).unwrap(), 1_000);
        until("the compaction", || index.gone() == 0);
        // Rows can still be added, replaced and found afterwards.
        let again = clustered(20, 16, 3_990);
        index.upsert(&borrowed(&again)).unwrap();
        index.train().unwrap();
        assert_eq!(index.len(), 4_000 - 1_500 + 10 + 10, "{kind}");
        let all = index.search(&rows[0].1, 10_000).unwrap();
        let keys: HashSet<_> = all.iter().map(|neighbour| neighbour.id).collect();
        let expected: HashSet<_> = (1_500..4_010).chain(9_000..9_010).collect();
        assert_eq!(keys, expected, "{kind}");
        for (key, row) in &rows[2_000..2_020] {
            let found = index.search(row, 3).unwrap();
            assert!(found.iter().any(|neighbour| neighbour.id == *key), "{kind}");
        }
    }
}

#[test]
fn searches_during_upserts_removals_and_merges_see_each_key_once_and_none_that_is_gone() {
    for kind in ["HNSW8", "IVF8,Flat", "SQ8"] {
        let index = index(kind, 16);
        // These stay and must be found by every search; the others come and go.
        let stays = clustered(200, 16, 0);
        index.upsert(&borrowed(&stays)).unwrap();
        let gone: Vec<u64> = (50_000..50_200).collect();
        index
            .upsert(&borrowed(&clustered(200, 16, 50_000)))
            .unwrap();
        index.remove(&gone).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let search = || {
                let mut searches = 0;
                while !done.load(Ordering::Relaxed) || searches == 0 {
                    let found = index.search(&stays[searches % 200].1, 20_000).unwrap();
                    let keys: HashSet<_> = found.iter().map(|neighbour| neighbour.id).collect();
                    assert_eq!(keys.len(), found.len(), "{kind}: a key twice");
                    assert!(
                        (0..200).all(|key| keys.contains(&key)),
                        "{kind}: a key is missing"
                    );
                    assert!(
                        gone.iter().all(|key| !keys.contains(key)),
                        "{kind}: a dead key"
                    );
                    searches += 1;
                }
            };
            let searches = [scope.spawn(search), scope.spawn(search)];
            for round in 0..12_u64 {
                let first = 1_000 + round % 3 * 1_000;
                index
                    .upsert(&borrowed(&clustered(1_500, 16, first)))
                    .unwrap();
                index.upsert(&borrowed(&stays)).unwrap();
                index
                    .remove(&(first..first + 700).collect::<Vec<_>>())
                    .unwrap();
                if round % 4 == 3 {
                    index.train().unwrap();
                }
            }
            done.store(true, Ordering::Relaxed);
            for search in searches {
                search.join().unwrap();
            }
        });
        index.train().unwrap();
        assert_eq!(&*index.factory(), kind);
        let found = index.search(&stays[0].1, 20_000).unwrap();
        assert_eq!(found.len(), index.len());
    }
}

#[test]
fn an_index_forgotten_during_a_merge_stays_empty() {
    let index = index("HNSW32", 32);
    index.upsert(&borrowed(&clustered(4_000, 32, 0))).unwrap();
    index.reset().unwrap();
    index.upsert(&borrowed(&clustered(3, 32, 0))).unwrap();
    // Waits for the merge that was running, then merges the three.
    index.train().unwrap();
    assert_eq!((index.len(), index.waiting()), (3, 0));
    assert_eq!(index.search(&[0.1; 32], 9).unwrap().len(), 3);
}

#[test]
fn an_index_is_dropped_while_it_merges() {
    for _ in 0..5 {
        let index = index("HNSW32", 32);
        index.upsert(&borrowed(&clustered(5_000, 32, 0))).unwrap();
    }
}

/// Memory that this process has for itself.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

/// Runs a process of its own, in which no other test takes memory.
#[test]
fn many_filtered_searches_need_no_more_memory_than_few() {
    const ALONE: &str = "LLASTA_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let name = "index_life::many_filtered_searches_need_no_more_memory_than_few";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--test-threads=1"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout).into_owned();
        assert!(child.status.success(), "{said}");
        assert!(said.contains("1 passed"), "{said}");
        return;
    }
    const TIMES: usize = 30_000;
    let rows = clustered(1_100, 8, 0);
    let among: HashSet<u64> = (0..8).collect();
    for kind in ["IVF8,Flat", "SQ8"] {
        let index = index(kind, 8);
        index.upsert(&borrowed(&rows)).unwrap();
        index.train().unwrap();
        index.remove(&[1, 3, 5]).unwrap();
        let search = |times: usize| {
            for (_, query) in rows.iter().cycle().take(times) {
                index.search_many(&[query], 5, Some(&among)).unwrap();
                index.search(query, 5).unwrap();
            }
        };
        search(1_000);
        let before = resident_kib();
        search(TIMES);
        let grown = resident_kib().saturating_sub(before);
        // Two searches a time, and a selector is 32 bytes at least: kept, they would be 1,875 KiB.
        assert!(grown < 512, "{kind}: {grown} KiB");
    }
}

/// Each text is its own vector: a number and its square, turned by the number.
#[derive(Debug)]
struct Numbers;

impl Embedder for Numbers {
    fn model(&self) -> &str {
        "numbers"
    }

    fn dimension(&self) -> usize {
        16
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let rows = texts.iter().map(|text| text.parse().unwrap());
        Ok(rows.map(|key| clustered(1, 16, key).remove(0).1).collect())
    }
}

fn numbers(keys: std::ops::Range<u64>) -> Vec<Item> {
    let item = |key: u64| Item {
        id: format!("item-{key}"),
        text: key.to_string(),
        metadata: serde_json::json!({ "half": key % 2, "rest": key % 50 }),
    };
    keys.map(item).collect()
}

#[test]
fn a_filter_that_leaves_few_items_misses_none_of_the_nearest_whatever_the_index() {
    let exact = ExactIndex::new(16).unwrap();
    exact.upsert(&borrowed(&clustered(2_000, 16, 0))).unwrap();
    for kind in ["PQ4x4", "IVF16,Flat", "HNSW4"] {
        let folder = tempfile::tempdir().unwrap();
        let mut config = IndexConfig::from(kind.parse::<IndexKind>().unwrap());
        (config.nprobe, config.ef_search) = (Some(1), Some(1));
        let collection = Collection::open(folder.path(), Arc::new(Numbers), config).unwrap();
        collection.upsert(numbers(0..2_000)).unwrap();
        collection.index().train().unwrap();
        assert_eq!(&*collection.index().factory(), kind);
        assert!(!collection.index().misses_none());
        for (filter, step) in [(r#"{"half": 1}"#, 2), (r#"{"rest": [1]}"#, 50)] {
            let filter: Filter = serde_json::from_str(filter).unwrap();
            let among: HashSet<u64> = (0..2_000).filter(|key| key % step == 1).collect();
            for (_, query) in clustered(20, 16, 1 << 40) {
                let found = collection.search_among(&query, 10, &filter).unwrap();
                let results = collection.fetch(&found).unwrap();
                let wanted = exact.search_many(&[&query], 10, Some(&among)).unwrap();
                assert_eq!(results.len(), 10);
                for (result, wanted) in results.iter().zip(&wanted[0]) {
                    assert_eq!(result.id, format!("item-{}", wanted.id), "{kind}");
                    assert!((result.score - wanted.score).abs() < 1e-6, "{kind}");
                }
            }
        }
    }
}

#[test]
fn a_collection_over_a_compressed_index_scores_by_the_stored_vectors_and_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let kind: IndexKind = "IVF8,SQ4".parse().unwrap();
        Collection::open(folder.path(), Arc::new(Numbers), kind).unwrap()
    };
    let collection = open();
    collection.upsert(numbers(0..1_500)).unwrap();
    collection.index().train().unwrap();
    assert_eq!(&*collection.index().factory(), "IVF8,SQ4");
    let check = |collection: &Collection| {
        for key in [3, 77, 1_203] {
            let query = collection.embed_query(&key.to_string()).unwrap();
            let found = collection.search_vector(&query, 5).unwrap();
            assert_eq!(found.len(), 5);
            assert!((found[0].score - 1.0).abs() < 1e-6, "{found:?}");
            let results = collection.fetch(&found).unwrap();
            assert_eq!(results[0].id, format!("item-{key}"));
        }
    };
    check(&collection);
    collection.save().unwrap();
    drop(collection);
    let collection = open();
    assert_eq!(&*collection.index().factory(), "IVF8,SQ4");
    check(&collection);
    collection.upsert(numbers(1_490..1_520)).unwrap();
    drop(collection);
    // The file is stale now: the index is made again from the store.
    let collection = open();
    assert_eq!(collection.len(), 1_520);
    collection.index().train().unwrap();
    check(&collection);
}
