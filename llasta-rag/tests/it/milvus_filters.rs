//! A filter means the same items in Milvus as in the store of one machine.

use llasta_rag::milvus::MilvusItems;
use llasta_rag::pipeline::Shelf;
use llasta_rag::store::{Filter, Store, StoredItem};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::support::milvus::{runtime, shelf, space};

fn item(id: &str, metadata: Value) -> StoredItem {
    StoredItem {
        id: id.to_owned(),
        text: format!("text of {id}"),
        metadata,
        vector: vec![0.6, 0.8],
    }
}

/// Few keys and values, so that filters hit, and among them whatever an expression could be broken with.
fn key() -> impl Strategy<Value = String> {
    const STRANGE: &[&str] = &[
        "source",
        "page",
        "",
        "a\"b",
        "a\\b",
        "a][b",
        "a[0]",
        "a.b",
        "'",
        "é\u{0}\n",
        "a') or key > 0",
    ];
    select(STRANGE).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = Value> {
    let text = select(
        &[
            "a.pdf",
            "A.pdf",
            "1",
            "true",
            "",
            "\"",
            "a\" or \"",
            "\\",
            "é\u{0}\n",
        ][..],
    );
    prop_oneof![
        6 => text.prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        3 => (-1..3_i64).prop_map(Value::from),
        2 => select(&[0.0, -0.0, 1.0, 1.5, 1e300, 9_223_372_036_854_775_807.0][..]).prop_map(Value::from),
        1 => select(&[i64::MAX, i64::MIN][..]).prop_map(Value::from),
        1 => Just(json!(u64::MAX)),
    ]
}

fn metadata() -> impl Strategy<Value = Value> {
    let within = prop_oneof![
        8 => value(),
        1 => Just(json!(null)),
        1 => vec(value(), 0..3).prop_map(Value::from),
        1 => value().prop_map(|value| json!({ "source": value })),
    ];
    prop_oneof![
        9 => btree_map(key(), within, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        1 => value(),
        1 => vec(value(), 0..3).prop_map(Value::from),
        1 => Just(json!(null)),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    let values = prop_oneof![value(), vec(value(), 1..4).prop_map(Value::from)];
    btree_map(key(), values, 1..3)
        .prop_map(|map| Filter::try_from(Value::Object(map.into_iter().collect())).unwrap())
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

#[test]
fn a_filter_means_the_same_items_as_in_the_store() {
    let _runtime = runtime();
    let shelf = shelf();
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let cases = (
        vec(metadata(), 1..12),
        vec(filter(), 1..6),
        vec(0..12_usize, 0..3),
    );
    let tested = runner.run(&cases, |(all, filters, keep)| {
        shelf.reset().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.claim(&space("m")).unwrap();
        let all = all.into_iter().enumerate();
        let items: Vec<_> = all
            .map(|(at, metadata)| item(&at.to_string(), metadata))
            .collect();
        store.upsert(&items).unwrap();
        prop_assert_eq!(shelf.upsert(&items).unwrap(), items.len());
        let keep: Vec<_> = keep.iter().map(usize::to_string).collect();
        let keep: Vec<_> = keep.iter().map(String::as_str).collect();
        for filter in &filters {
            let named = store.list(Some(filter), 0, 100).unwrap();
            let expected: Vec<_> = named.into_iter().map(|named| named.id).collect();
            let expected = sorted(expected);
            let listed = shelf.list(Some(filter), 0, 100).unwrap();
            for named in &listed {
                let item = items.iter().find(|item| item.id == named.id).unwrap();
                prop_assert_eq!(&named.metadata, &item.metadata);
            }
            let listed = listed.into_iter().map(|named| named.id).collect();
            prop_assert_eq!(sorted(listed), expected.clone(), "{}", filter);
            let near = shelf.nearest(&[0.6, 0.8], 100, Some(filter)).unwrap();
            let keys: Vec<_> = near.iter().map(|neighbour| neighbour.id).collect();
            let found = shelf.get(&keys).unwrap();
            prop_assert_eq!(
                sorted(found.into_iter().map(|row| row.id).collect()),
                expected
            );
        }
        for filter in &filters {
            let gone = store.delete_where(filter, &keep).unwrap().keys.len();
            prop_assert_eq!(shelf.delete_where(filter, &keep).unwrap(), gone);
            let ids = sorted(store.ids().unwrap());
            let left = shelf.list(None, 0, 100).unwrap();
            prop_assert_eq!(
                sorted(left.into_iter().map(|named| named.id).collect()),
                ids
            );
        }
        Ok(())
    });
    tested.unwrap();
}

#[test]
fn a_list_goes_through_all_items_once_in_the_order_of_their_keys() {
    let _runtime = runtime();
    let shelf = shelf();
    let items: Vec<_> = (0..1234)
        .map(|at| item(&format!("item {at}"), json!({"even": at % 2 == 0})))
        .collect();
    shelf.upsert(&items).unwrap();
    let even = Filter::try_from(json!({"even": true})).unwrap();
    for (filter, count) in [(None, 1234), (Some(&even), 617)] {
        let mut seen = Vec::new();
        let mut last = 0;
        loop {
            let page = shelf.list(filter, last, 600).unwrap();
            let Some(end) = page.last() else { break };
            last = end.key;
            seen.extend(page.into_iter().map(|named| (named.key, named.id)));
        }
        assert_eq!(seen.len(), count);
        assert!(seen.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(seen.iter().all(|(key, id)| *key == MilvusItems::key_of(id)));
    }
    let ids: Vec<_> = items.iter().map(|item| item.id.as_str()).collect();
    assert_eq!(shelf.delete(&ids[..1000]).unwrap(), 1000);
    assert_eq!(shelf.delete(&ids[..1001]).unwrap(), 1);
    assert_eq!(shelf.count().unwrap(), 233);
}
