//! What every index does, whichever it is: one suite, run on each backend that is compiled in.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use llasta_rag::index::{Index, IndexError};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::indexes::{DIMENSION, apply, apply_to_model, assert_agrees, key, step, vector};

/// A vector that points this far from the first axis to the second.
fn at(share: f32) -> Vec<f32> {
    let mut vector = vec![0.0; DIMENSION];
    (vector[0], vector[1]) = ((1.0 - share * share).sqrt(), share);
    vector
}

fn fill(index: &dyn Index, rows: &[(u64, f32)]) {
    let rows: Vec<_> = rows.iter().map(|(key, share)| (*key, at(*share))).collect();
    let rows: Vec<_> = rows.iter().map(|(key, row)| (*key, &row[..])).collect();
    index.upsert(&rows).unwrap();
}

fn found(index: &dyn Index, k: usize, among: Option<&[u64]>) -> Vec<u64> {
    let among: Option<HashSet<_>> = among.map(|keys| keys.iter().copied().collect());
    let lists = index.search_many(&[&at(0.0)], k, among.as_ref()).unwrap();
    assert_eq!(lists.len(), 1);
    lists[0].iter().map(|neighbour| neighbour.id).collect()
}

fn any_changes_leave_what_a_plain_list_would_have(index: &dyn Index, cases: u32) {
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let tested = runner.run(&vec(step(), 1..16), |steps| {
        index.reset().unwrap();
        let mut model = BTreeMap::new();
        for step in &steps {
            apply(index, &model, step);
            apply_to_model(&mut model, step);
            prop_assert_eq!(index.len(), model.len());
        }
        Ok(())
    });
    tested.unwrap();
}

fn a_search_among_keys_finds_the_best_of_these(index: &dyn Index, cases: u32) {
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let rows = vec((key(), vector()), 0..60);
    let strategy = (rows, vec(key(), 0..40), vec(vector(), 1..4), 0..20_usize);
    let tested = runner.run(&strategy, |(rows, keys, queries, k)| {
        index.reset().unwrap();
        let given: Vec<_> = rows.iter().map(|(key, row)| (*key, &row[..])).collect();
        index.upsert(&given).unwrap();
        let keys: HashSet<_> = keys.into_iter().collect();
        let mut model: BTreeMap<_, _> = rows.into_iter().collect();
        model.retain(|key, _| keys.contains(key));
        let queries: Vec<_> = queries.iter().map(Vec::as_slice).collect();
        let lists = index.search_many(&queries, k, Some(&keys)).unwrap();
        prop_assert_eq!(lists.len(), queries.len());
        for (list, query) in lists.iter().zip(&queries) {
            assert_agrees(list, &model, query, k);
        }
        Ok(())
    });
    tested.unwrap();
}

fn the_same_key_replaces_and_the_last_of_a_request_wins(index: &dyn Index) {
    fill(index, &[(1, 0.1), (2, 0.2), (1, 0.3)]);
    assert_eq!((index.len(), found(index, 9, None)), (2, vec![2, 1]));
    fill(index, &[(2, 0.9)]);
    assert_eq!((index.len(), found(index, 9, None)), (2, vec![1, 2]));
}

fn what_is_removed_is_counted_once_and_not_found_again(index: &dyn Index) {
    fill(index, &[(1, 0.1), (2, 0.2), (3, 0.3)]);
    assert_eq!(index.remove(&[2, 2, 7]).unwrap(), 1);
    assert_eq!(index.remove(&[2]).unwrap(), 0);
    assert_eq!(index.remove(&[]).unwrap(), 0);
    assert_eq!((index.len(), found(index, 9, None)), (2, vec![1, 3]));
    fill(index, &[(2, 0.0)]);
    assert_eq!(found(index, 1, None), [2]);
}

fn a_search_gives_no_more_than_there_is_and_than_was_asked_for(index: &dyn Index) {
    assert!(found(index, 5, None).is_empty());
    fill(index, &[(1, 0.1), (2, 0.2), (3, 0.3)]);
    assert!(found(index, 0, None).is_empty());
    assert_eq!(found(index, 2, None), [1, 2]);
    assert_eq!(found(index, usize::MAX, None), [1, 2, 3]);
    assert_eq!(found(index, 5, Some(&[3, 2, 99])), [2, 3]);
    assert!(found(index, 5, Some(&[])).is_empty());
    assert!(index.search_many(&[], 5, None).unwrap().is_empty());
}

fn a_reset_index_is_empty_and_can_be_filled_again(index: &dyn Index) {
    fill(index, &[(1, 0.1)]);
    index.reset().unwrap();
    assert!(index.is_empty() && found(index, 5, None).is_empty());
    fill(index, &[(4, 0.1)]);
    assert_eq!((index.len(), found(index, 5, None)), (1, vec![4]));
}

fn a_bad_vector_is_refused_and_changes_nothing(index: &dyn Index) {
    fill(index, &[(1, 0.1)]);
    let mut infinite = at(0.2);
    infinite[3] = f32::INFINITY;
    let short = [1.0; DIMENSION - 1];
    let dimension = |error| matches!(error, Err(IndexError::Dimension { .. }));
    let finite = |error| matches!(error, Err(IndexError::NotFinite { position: 3, .. }));
    assert!(dimension(index.upsert(&[(2, &at(0.2)), (3, &short)])));
    assert!(finite(index.upsert(&[(2, &at(0.2)), (3, &infinite)])));
    assert!(dimension(index.search(&short, 1).map(|_| ())));
    assert!(finite(index.search(&infinite, 1).map(|_| ())));
    assert_eq!((index.len(), found(index, 9, None)), (1, vec![1]));
}

fn searches_and_upserts_go_on_at_the_same_time(index: &Arc<dyn Index>) {
    fill(index.as_ref(), &[(1, 0.1), (2, 0.2)]);
    let search = || {
        for _ in 0..30 {
            let mut keys = found(index.as_ref(), 9, None);
            keys.sort_unstable();
            assert!(keys.starts_with(&[1, 2]), "{keys:?}");
        }
    };
    std::thread::scope(|scope| {
        let searches = [scope.spawn(search), scope.spawn(search)];
        let mut key = 3;
        while searches.iter().any(|search| !search.is_finished()) {
            fill(index.as_ref(), &[(key, 0.5)]);
            key = 3 + (key + 1) % 5;
        }
    });
}

/// The suite on one backend: how it is made, and how many random cases it has time for.
macro_rules! conforms {
    ($backend:ident, $cases:literal, $make:expr) => {
        mod $backend {
            use super::*;

            fn made() -> Arc<dyn Index> {
                $make
            }

            #[test]
            fn any_changes_leave_what_a_plain_list_would_have() {
                super::any_changes_leave_what_a_plain_list_would_have(made().as_ref(), $cases);
            }

            #[test]
            fn a_search_among_keys_finds_the_best_of_these() {
                super::a_search_among_keys_finds_the_best_of_these(made().as_ref(), $cases);
            }

            #[test]
            fn the_same_key_replaces_and_the_last_of_a_request_wins() {
                super::the_same_key_replaces_and_the_last_of_a_request_wins(made().as_ref());
            }

            #[test]
            fn what_is_removed_is_counted_once_and_not_found_again() {
                super::what_is_removed_is_counted_once_and_not_found_again(made().as_ref());
            }

            #[test]
            fn a_search_gives_no_more_than_there_is_and_than_was_asked_for() {
                super::a_search_gives_no_more_than_there_is_and_than_was_asked_for(made().as_ref());
            }

            #[test]
            fn a_reset_index_is_empty_and_can_be_filled_again() {
                super::a_reset_index_is_empty_and_can_be_filled_again(made().as_ref());
            }

            #[test]
            fn a_bad_vector_is_refused_and_changes_nothing() {
                super::a_bad_vector_is_refused_and_changes_nothing(made().as_ref());
            }

            #[test]
            fn searches_and_upserts_go_on_at_the_same_time() {
                super::searches_and_upserts_go_on_at_the_same_time(&made());
            }
        }
    };
}

conforms!(
    exact,
    64,
    llasta_rag::index::IndexKind::Exact
        .create(DIMENSION)
        .unwrap()
);

#[cfg(feature = "faiss")]
conforms!(
    faiss_flat,
    64,
    llasta_rag::index::IndexKind::Faiss
        .create(DIMENSION)
        .unwrap()
);

#[cfg(feature = "milvus")]
conforms!(milvus, 6, {
    let space = llasta_rag::store::VectorSpace {
        model: "m".to_owned(),
        dimension: DIMENSION,
    };
    let _runtime = crate::support::milvus::runtime();
    let config = crate::support::milvus::config();
    Arc::new(llasta_rag::milvus::MilvusIndex::open(&config, &space).unwrap())
});
