//! The indexes that FAISS's factory makes find what the exact index finds.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use llasta_rag::embed::normalise;
use llasta_rag::index::{ExactIndex, Index, IndexConfig, IndexKind, Neighbour};
use proptest::collection::vec;
use proptest::prelude::*;

use super::indexes::{DIMENSION, apply, apply_to_model, step};

/// An index of a kind that looks everywhere.
pub(super) fn exhaustive(factory: &str, dimension: usize) -> Arc<dyn Index> {
    let mut config = IndexConfig::from(factory.parse::<IndexKind>().unwrap());
    config.nprobe = Some(1 << 20);
    config.ef_search = Some(400);
    config.create(dimension).unwrap()
}

/// Normalised vectors around a few centres, under the keys from `first` on; always the same ones.
pub(super) fn clustered(count: usize, dimension: usize, first: u64) -> Vec<(u64, Vec<f32>)> {
    const CENTRES: u64 = 40;
    let number = |seed: u64| {
        let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
        for _ in 0..3 {
            x = (x ^ (x >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        }
        (x >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (first..first + count as u64)
        .map(|key| {
            let centre = key % CENTRES;
            let mut vector: Vec<_> = (0..dimension as u64)
                .map(|i| number(centre * 1_000 + i) + 0.5 * number(1_000_000 + key * 1_000 + i))
                .collect();
            normalise(&mut vector);
            (key, vector)
        })
        .collect()
}

pub(super) fn borrowed(rows: &[(u64, Vec<f32>)]) -> Vec<(u64, &[f32])> {
    rows.iter()
        .map(|(key, row)| (*key, row.as_slice()))
        .collect()
}

/// What share of the exact index's results were found.
pub(super) fn recall(found: &[Neighbour], exact: &[Neighbour]) -> f64 {
    let found: HashSet<_> = found.iter().map(|neighbour| neighbour.id).collect();
    let there = exact
        .iter()
        .filter(|neighbour| found.contains(&neighbour.id));
    there.count() as f64 / exact.len().max(1) as f64
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn an_ivf_index_that_looks_into_every_list_agrees_with_a_plain_list(steps in vec(step(), 1..24)) {
        let index = exhaustive("IVF4,Flat", DIMENSION);
        let mut model = BTreeMap::new();
        for step in &steps {
            apply(index.as_ref(), &model, step);
            apply_to_model(&mut model, step);
            prop_assert_eq!(index.len(), model.len());
        }
    }

    #[test]
    fn whatever_the_kind_no_dead_or_doubled_key_is_found_and_enough_of_the_others(
        steps in vec(step(), 1..24),
        kind in prop_oneof![Just("HNSW8"), Just("SQ8"), Just("IVF4,SQ8"), Just("HNSW8_SQ8"), Just("SQ8,RFlat"),
            Just("RR24,IVF2,Flat"), Just("PQ8x4fs")],
    ) {
        use super::indexes::Step;
        let index = exhaustive(kind, DIMENSION);
        let mut model = BTreeMap::new();
        for step in &steps {
            if let Step::Search(query, k) = step {
                let found = index.search(query, *k).unwrap();
                let keys: HashSet<_> = found.iter().map(|neighbour| neighbour.id).collect();
                prop_assert_eq!(keys.len(), found.len());
                prop_assert_eq!(found.len(), (*k).min(model.len()), "{}", kind);
                prop_assert!(keys.iter().all(|key| model.contains_key(key)));
                prop_assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score));
            } else {
                apply(index.as_ref(), &model, step);
            }
            apply_to_model(&mut model, step);
            prop_assert_eq!(index.len(), model.len());
        }
    }
}

#[test]
fn each_kind_finds_on_clustered_vectors_what_the_exact_index_finds() {
    const ROWS: usize = 10_000;
    let rows = clustered(ROWS, 64, 0);
    let exact = ExactIndex::new(64).unwrap();
    exact.upsert(&borrowed(&rows)).unwrap();
    let queries = clustered(50, 64, 1 << 40);
    // (kind, with its usual settings, looking everywhere); recall at 10.
    for (kind, usual, everywhere) in [
        ("IVF64,Flat", 0.95, 1.0),
        ("HNSW32", 0.95, 0.999),
        ("IVF64,SQ8", 0.9, 0.95),
        ("SQ8", 0.95, 0.95),
        ("SQfp16", 0.99, 0.99),
        ("PCA48,IVF16,Flat", 0.4, 0.4),
        ("IVF16,PQ32x4", 0.2, 0.2),
        ("IVF16,PQ32x4fs", 0.2, 0.2),
        ("IVF64_HNSW16,Flat", 0.95, 1.0),
        ("IVF16,RaBitQ", 0.1, 0.1),
        ("HNSW32_SQ8", 0.9, 0.9),
        ("IVF16,SQ8,RFlat", 0.9, 0.9),
        ("L2norm,HNSW32", 0.95, 0.999),
    ] {
        let with_usual = kind.parse::<IndexKind>().unwrap().create(64).unwrap();
        for (index, least) in [(with_usual, usual), (exhaustive(kind, 64), everywhere)] {
            assert_eq!(&*index.factory(), "Flat", "{kind}");
            index.upsert(&borrowed(&rows)).unwrap();
            index.train().unwrap();
            assert_eq!(&*index.factory(), kind);
            let mut sum = 0.0;
            for (_, query) in &queries {
                let found = index.search(query, 10).unwrap();
                assert_eq!(found.len(), 10, "{kind}");
                sum += recall(&found, &exact.search(query, 10).unwrap());
            }
            let recall = sum / queries.len() as f64;
            assert!(recall >= least, "{kind}: {recall}");
        }
    }
}

#[test]
fn a_search_among_some_keys_finds_the_best_of_these_however_few_or_many_they_are() {
    let rows = clustered(6_000, 32, 0);
    let exact = ExactIndex::new(32).unwrap();
    exact.upsert(&borrowed(&rows)).unwrap();
    let queries = clustered(10, 32, 1 << 40);
    for kind in [
        "IVF16,Flat",
        "HNSW16",
        "SQfp16",
        "HNSW16_SQfp16",
        "PQ16x4fs",
    ] {
        let index = kind.parse::<IndexKind>().unwrap().create(32).unwrap();
        index.upsert(&borrowed(&rows)).unwrap();
        index.train().unwrap();
        // Some wait in the tail and some are gone.
        let changed = clustered(300, 32, 5_900);
        for index in [index.as_ref(), &exact] {
            index.upsert(&borrowed(&changed)).unwrap();
            index.remove(&(100..160).collect::<Vec<_>>()).unwrap();
        }
        for share in [1, 3, 50, 1500] {
            let among: HashSet<u64> = (0..7_000).filter(|key| key % share == 0).collect();
            for (_, query) in &queries {
                let found = index
                    .search_many(&[query], 10, Some(&among))
                    .unwrap()
                    .remove(0);
                let wanted = exact
                    .search_many(&[query], 10, Some(&among))
                    .unwrap()
                    .remove(0);
                assert_eq!(found.len(), wanted.len(), "{kind} 1/{share}");
                assert!(found.iter().all(|neighbour| among.contains(&neighbour.id)));
                let least = match kind {
                    "PQ16x4fs" => 0.1,
                    _ => 0.8,
                };
                let recall = recall(&found, &wanted);
                assert!(recall >= least, "{kind} 1/{share}: {recall}");
            }
        }
        let none = index
            .search_many(&[&queries[0].1], 5, Some(&HashSet::new()))
            .unwrap();
        assert_eq!(none, [Vec::new()]);
    }
}

#[test]
fn many_queries_at_once_find_what_each_finds_alone() {
    let rows = clustered(3_000, 32, 0);
    let queries = clustered(64, 32, 1 << 40);
    let queries: Vec<_> = queries.iter().map(|(_, query)| query.as_slice()).collect();
    for kind in ["faiss", "exact", "IVF16,Flat", "HNSW16", "SQ8"] {
        let index = kind.parse::<IndexKind>().unwrap().create(32).unwrap();
        index.upsert(&borrowed(&rows)).unwrap();
        index.train().unwrap();
        let together = index.search_many(&queries, 5, None).unwrap();
        for (query, together) in queries.iter().zip(together) {
            let alone = index.search(query, 5).unwrap();
            assert_eq!(alone.len(), 5);
            for (a, b) in alone.iter().zip(&together) {
                assert!((a.score - b.score).abs() < 1e-5, "{kind}");
            }
        }
    }
}
