//! Whatever happens to an index between savings, what is opened again is what was saved.

use std::collections::BTreeMap;

use llasta_rag::index::{Factory, FactoryIndex, Index, IndexConfig, IndexError, Stamp};
use proptest::collection::vec;
use proptest::prelude::*;

use super::index_factory::clustered;
use super::indexes::{DIMENSION, Step, apply, apply_to_model, vector};

#[derive(Clone, Debug)]
enum Event {
    Step(Step),
    /// Saved, dropped and opened again, in its file or not.
    Reopen(bool),
    /// Dropped and opened as it was saved last.
    Crash(bool),
}

/// Rows that all differ: in a graph of equal rows not every row is reached.
fn rows() -> impl Strategy<Value = Step> {
    let few = (0..60_u64, 1..12_usize);
    let many = (500..900_u64, 300..900_usize);
    let version = 0..1_000_000_u64;
    (prop_oneof![4 => few, 1 => many], version).prop_map(|((first, count), version)| {
        let vectors = clustered(count, DIMENSION, first + version * 10_000);
        let keyed = vectors.into_iter().zip(first..);
        Step::Upsert(keyed.map(|((_, vector), key)| (key, vector)).collect())
    })
}

fn event() -> impl Strategy<Value = Event> {
    let key = prop_oneof![4 => 0..70_u64, 1 => 500..1_800_u64];
    prop_oneof![
        5 => rows().prop_map(Event::Step),
        3 => vec(key, 1..20).prop_map(|keys| Event::Step(Step::Remove(keys))),
        4 => (vector(), 1..40_usize).prop_map(|(query, k)| Event::Step(Step::Search(query, k))),
        2 => Just(Event::Step(Step::Train)),
        3 => any::<bool>().prop_map(Event::Reopen),
        1 => any::<bool>().prop_map(Event::Crash),
    ]
}

/// An index that looks everywhere.
fn open(kind: &str, mmap: bool) -> FactoryIndex {
    let mut config = IndexConfig::default();
    config.nprobe = Some(1 << 20);
    config.ef_search = Some(4_096);
    config.mmap = mmap;
    FactoryIndex::new(DIMENSION, &Factory::parse(kind).unwrap(), &config).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn an_index_that_looks_everywhere_agrees_with_a_plain_list_however_often_it_is_opened_again(
        events in vec(event(), 1..24),
        kind in prop_oneof![Just("IVF4,Flat"), Just("HNSW32")],
        query in vector(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.bin");
        let stamp = |generation| Stamp { generation, dimension: DIMENSION, model: "m".to_owned() };
        let mut index = open(kind, false);
        let mut model = BTreeMap::new();
        let (mut generation, mut saved) = (0, None);
        for event in &events {
            match event {
                Event::Step(step) => {
                    apply(&index, &model, step);
                    apply_to_model(&mut model, step);
                }
                Event::Reopen(mmap) => {
                    generation += 1;
                    index.save(&path, &stamp(generation)).unwrap();
                    saved = Some(model.clone());
                    index = open(kind, *mmap);
                    index.load(&path, &stamp(generation)).unwrap();
                }
                Event::Crash(mmap) => {
                    index = open(kind, *mmap);
                    let loaded = index.load(&path, &stamp(generation));
                    match &saved {
                        Some(saved) => {
                            loaded.unwrap();
                            model.clone_from(saved);
                            let later = index.load(&path, &stamp(generation + 1));
                            let stale = matches!(later, Err(IndexError::Stale { .. }));
                            prop_assert!(stale, "{:?}", later);
                        }
                        None => {
                            let none = matches!(loaded, Err(IndexError::NoFile { .. }));
                            prop_assert!(none, "{:?}", loaded);
                            model.clear();
                        }
                    }
                }
            }
            prop_assert_eq!(index.len(), model.len());
            apply(&index, &model, &Step::Search(query.clone(), 10));
        }
        // All keys, each with its score.
        apply(&index, &model, &Step::Search(query, model.len() + 1));
    }
}
