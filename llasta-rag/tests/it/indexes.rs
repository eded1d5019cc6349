//! Every index agrees with a plain list of vectors, after any sequence of changes.

use std::collections::BTreeMap;

use llasta_rag::embed::normalise;
use llasta_rag::index::{ExactIndex, Index, IndexError, IndexKind, Neighbour, Stamp};
use proptest::collection::vec;
use proptest::prelude::*;

pub(super) const DIMENSION: usize = 24;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Upsert(Vec<(u64, Vec<f32>)>),
    Remove(Vec<u64>),
    Search(Vec<f32>, usize),
    Reset,
    /// What is said of an index of two parts holds whenever they are merged.
    Train,
    /// Many rows at once, so that more than one block is filled.
    Fill(u64),
}

/// Few distinct components, so that ties are common.
pub(super) fn vector() -> impl Strategy<Value = Vec<f32>> {
    let component = prop_oneof![Just(0.0_f32), Just(1.0), Just(-1.0), -1.0..1.0_f32];
    vec(component, DIMENSION).prop_map(|mut vector| {
        normalise(&mut vector);
        vector
    })
}

pub(super) fn key() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..40_u64, 1 => 1000..3000_u64]
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => vec((key(), vector()), 0..12).prop_map(Step::Upsert),
        4 => vec(key(), 0..12).prop_map(Step::Remove),
        6 => (vector(), 0..60_usize).prop_map(|(query, k)| Step::Search(query, k)),
        1 => (1000..1400_u64).prop_map(Step::Fill),
        1 => Just(Step::Reset),
        2 => Just(Step::Train),
    ]
}

/// The vector under a key in a filling: eight directions, so that hundreds of rows tie.
fn filling(key: u64) -> Vec<f32> {
    let mut vector = vec![0.0; DIMENSION];
    vector[key as usize % 8] = 0.6;
    vector[8 + key as usize % 3] = 0.8;
    vector
}

fn nearest(model: &BTreeMap<u64, Vec<f32>>, query: &[f32]) -> Vec<(u64, f64)> {
    let score = |row: &[f32]| {
        row.iter()
            .zip(query)
            .map(|(x, y)| f64::from(x * y))
            .sum::<f64>()
    };
    let mut all: Vec<_> = model.iter().map(|(&key, row)| (key, score(row))).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all
}

/// The right number of neighbours, in order, with the right scores, and no better one left out.
pub(super) fn assert_agrees(
    found: &[Neighbour],
    model: &BTreeMap<u64, Vec<f32>>,
    query: &[f32],
    k: usize,
) {
    let expected = nearest(model, query);
    assert_eq!(found.len(), k.min(expected.len()));
    let scores: BTreeMap<_, _> = expected.iter().copied().collect();
    for (neighbour, (_, best)) in found.iter().zip(&expected) {
        let score = f64::from(neighbour.score);
        assert!(
            (score - scores[&neighbour.id]).abs() < 1e-5,
            "{neighbour:?}"
        );
        assert!(
            (score - best).abs() < 1e-5,
            "{neighbour:?} where {best} was expected"
        );
    }
    for pair in found.windows(2) {
        let later = pair[0].score > pair[1].score
            || (pair[0].score == pair[1].score && pair[0].id < pair[1].id);
        assert!(later, "{pair:?}");
    }
}

pub(super) fn apply(
    index: &dyn Index,
    model: &BTreeMap<u64, Vec<f32>>,
    step: &Step,
) -> Vec<Neighbour> {
    match step {
        Step::Upsert(rows) => {
            let rows: Vec<_> = rows
                .iter()
                .map(|(key, row)| (*key, row.as_slice()))
                .collect();
            index.upsert(&rows).unwrap();
        }
        Step::Remove(keys) => {
            let mut unique = keys.clone();
            unique.sort_unstable();
            unique.dedup();
            let there = unique.iter().filter(|key| model.contains_key(key)).count();
            assert_eq!(index.remove(keys).unwrap(), there);
        }
        Step::Fill(count) => {
            let rows: Vec<_> = (1000..1000 + count)
                .map(|key| (key, filling(key)))
                .collect();
            let rows: Vec<_> = rows
                .iter()
                .map(|(key, row)| (*key, row.as_slice()))
                .collect();
            index.upsert(&rows).unwrap();
        }
        Step::Reset => index.reset().unwrap(),
        Step::Train => match index.train() {
            Ok(()) => {}
            Err(IndexError::TooFewVectors { needed, given, .. }) => {
                assert_eq!(given, model.len());
                assert!(given < needed);
            }
            Err(error) => panic!("{error}"),
        },
        Step::Search(query, k) => {
            let found = index.search(query, *k).unwrap();
            assert_agrees(&found, model, query, *k);
            return found;
        }
    }
    Vec::new()
}

pub(super) fn apply_to_model(model: &mut BTreeMap<u64, Vec<f32>>, step: &Step) {
    match step {
        Step::Upsert(rows) => model.extend(rows.iter().cloned()),
        Step::Remove(keys) => model.retain(|key, _| !keys.contains(key)),
        Step::Fill(count) => model.extend((1000..1000 + count).map(|key| (key, filling(key)))),
        Step::Reset => model.clear(),
        Step::Search(..) | Step::Train => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn both_kinds_agree_with_a_plain_list_and_with_each_other(steps in vec(step(), 1..24)) {
        let exact = IndexKind::Exact.create(DIMENSION).unwrap();
        // FAISS where it is compiled in.
        let other = IndexKind::Auto.create(DIMENSION).unwrap();
        let mut model = BTreeMap::new();
        for step in &steps {
            let found = apply(exact.as_ref(), &model, step);
            prop_assert_eq!(found, apply(other.as_ref(), &model, step));
            apply_to_model(&mut model, step);
            prop_assert_eq!(exact.len(), model.len());
            prop_assert_eq!(other.len(), model.len());
        }
    }

    #[test]
    fn a_saved_index_is_the_same_after_loading(rows in vec((any::<u64>(), vector()), 0..40), query in vector()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let stamp = Stamp { generation: 3, dimension: DIMENSION, model: "m".to_owned() };
        let rows: Vec<_> = rows.iter().map(|(key, row)| (*key, row.as_slice())).collect();
        let saved = IndexKind::Auto.create(DIMENSION).unwrap();
        saved.upsert(&rows).unwrap();
        saved.save(&path, &stamp).unwrap();
        for kind in [IndexKind::Exact, IndexKind::Auto] {
            let loaded = kind.create(DIMENSION).unwrap();
            loaded.upsert(&[(77, rows.first().map_or(&[0.0; DIMENSION][..], |row| row.1))]).unwrap();
            loaded.load(&path, &stamp).unwrap();
            prop_assert_eq!(loaded.len(), saved.len());
            prop_assert_eq!(loaded.search(&query, 50).unwrap(), saved.search(&query, 50).unwrap());
        }
    }
}

#[test]
fn a_file_that_cannot_be_loaded_leaves_the_index_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let stamp = Stamp {
        generation: 1,
        dimension: 1,
        model: "m".to_owned(),
    };
    let index = ExactIndex::new(1).unwrap();
    index.upsert(&[(5, &[1.0])]).unwrap();
    index.save(&path, &stamp).unwrap();
    index.upsert(&[(6, &[0.5])]).unwrap();
    let stale = index.load(
        &path,
        &Stamp {
            generation: 2,
            ..stamp
        },
    );
    assert!(matches!(stale, Err(IndexError::Stale { .. })));
    assert_eq!(index.search(&[1.0], 9).unwrap().len(), 2);
}

#[test]
fn a_search_during_upserts_sees_each_of_them_wholly_or_not_at_all() {
    const ROWS: u64 = 1500;
    let index = IndexKind::Auto.create(2).unwrap();
    let fill = |value: f32| {
        let rows: Vec<_> = (0..ROWS).map(|key| (key, [value, 1.0])).collect();
        let rows: Vec<_> = rows
            .iter()
            .map(|(key, row)| (*key, row.as_slice()))
            .collect();
        index.upsert(&rows).unwrap();
    };
    let search = || {
        for _ in 0..60 {
            let found = index.search(&[1.0, 0.0], ROWS as usize).unwrap();
            assert_eq!(found.len(), ROWS as usize);
            assert!(
                found
                    .iter()
                    .all(|neighbour| neighbour.score == found[0].score)
            );
        }
    };
    fill(0.0);
    std::thread::scope(|scope| {
        let searches = [scope.spawn(search), scope.spawn(search)];
        let mut value = 1.0;
        while searches.iter().any(|search| !search.is_finished()) {
            fill(value);
            value += 1.0;
        }
    });
}
