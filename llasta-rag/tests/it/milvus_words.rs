//! Words find the same items in Milvus as in the store of one machine, and a collection from before that was
//! possible goes on without.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use axum::http::StatusCode;
use llasta_rag::embed::{Embedder, LexicalEmbedder};
use llasta_rag::milvus::{MilvusConfig, MilvusError, MilvusItems, MilvusShelf};
use llasta_rag::pipeline::{CollectionError, Shelf, terms};
use llasta_rag::store::{Filter, Store, StoredItem, VectorSpace};
use milvus::v2::request::collection::CreateCollectionRequest;
use milvus::v2::request::index::CreateIndexRequest;
use milvus::v2::{CollectionSchema, DataType, FieldSchema, IndexParam, IndexType, MetricType};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::json;

use crate::support::milvus::{client, config, opened, runtime, served, shared, shelf, space};
use crate::support::{Llasta, call, items, post, run};

fn item(id: &str, text: &str, source: &str) -> StoredItem {
    StoredItem {
        id: id.to_owned(),
        text: text.to_owned(),
        metadata: json!({ "source": source }),
        vector: vec![0.6, 0.8],
    }
}

fn store(folder: &tempfile::TempDir) -> Store {
    let store = Store::open(folder.path()).unwrap();
    store.claim(&space("m")).unwrap();
    store.prepare_text_search().unwrap();
    store
}

/// The ids that words find, in the store and in Milvus, each best first.
fn both(
    store: &Store,
    shelf: &MilvusShelf,
    words: &[&str],
    k: usize,
    filter: Option<&Filter>,
) -> (Vec<String>, Vec<String>) {
    let keys = store.search_text(words, k, filter).unwrap();
    let here = store.get(&keys).unwrap();
    let keys = shelf.search_text(words, k, filter).unwrap();
    let there = shelf.get(&keys).unwrap();
    assert_eq!(there.len(), keys.len());
    let ids = |rows: Vec<llasta_rag::store::Row>| rows.into_iter().map(|row| row.id).collect();
    (ids(here), ids(there))
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

/// Words that endings, cases, marks and scripts make alike or not, and what stands between words.
fn text() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "ship",
        "ships",
        "SHIPPED",
        "run",
        "running",
        "runs",
        "relate",
        "relational",
        "the",
        "not",
        "OR",
        "faiss_index_size",
        "index",
        "size",
        "v1.44.0",
        "44",
        "1",
        "can't",
        "cant",
        "Größe",
        "GRÖSSE",
        "große",
        "naïve",
        "naive",
        "\u{6f22}\u{5b57}",
        "\u{6f22}",
        "корабль",
        "КОРАБЛЬ",
        "x²",
        "\u{0}",
        "\u{1f680}",
        "...",
        "\"",
        "\\",
        "e\u{301}te",
        "été",
        "http://a.b/c",
    ];
    const BETWEEN: &[&str] = &[" ", "  ", "\n", "-", "_", ", ", "\u{1f600}", "\u{a0}"];
    vec((select(PIECES), select(BETWEEN)), 0..6).prop_map(|pieces| {
        let pieces = pieces.into_iter();
        pieces
            .flat_map(|(piece, between)| [piece, between])
            .collect()
    })
}

#[test]
fn words_find_the_same_items_as_in_the_store() {
    let _runtime = runtime();
    let shelf = shelf();
    shelf.prepare_text_search().unwrap();
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let cases = (
        vec(text(), 1..10),
        vec((0..12_usize, text()), 0..4),
        vec(0..12_usize, 0..4),
        vec(text(), 1..6),
    );
    let hits = Cell::new(0);
    let tested = runner.run(&cases, |(texts, replaced, deleted, queries)| {
        shelf.reset().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        let place = |at: usize, text: &str| {
            let source = if at.is_multiple_of(2) {
                "even.md"
            } else {
                "odd.md"
            };
            let item = [item(&at.to_string(), text, source)];
            store.upsert(&item).unwrap();
            item
        };
        let all: Vec<_> = (0..)
            .zip(&texts)
            .flat_map(|(at, text)| place(at, text))
            .collect();
        shelf.upsert(&all).unwrap();
        for (at, text) in &replaced {
            shelf.upsert(&place(*at, text)).unwrap();
        }
        let deleted: Vec<_> = deleted.iter().map(usize::to_string).collect();
        let deleted: Vec<_> = deleted.iter().map(String::as_str).collect();
        store.delete(&deleted).unwrap();
        shelf.delete(&deleted).unwrap();
        let even = Filter::one("source", "even.md");
        for query in queries.iter().chain(&texts) {
            for filter in [None, Some(&even)] {
                let (here, there) = both(&store, &shelf, &terms(query), 100, filter);
                hits.set(hits.get() + here.len());
                prop_assert_eq!(sorted(there), sorted(here), "{:?}", query);
            }
        }
        Ok(())
    });
    tested.unwrap();
    assert!(hits.get() > 100, "{hits:?}");
}

#[test]
fn the_best_come_first_and_no_more_than_wanted() {
    let _runtime = runtime();
    let shelf = shelf();
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let mut all = vec![
        item("both", "the error E4711 of the collector", "a"),
        item("rare", "E4711 E4711 E4711", "a"),
        item(
            "long",
            &format!("E4711 {}", "and more of it ".repeat(40)),
            "a",
        ),
    ];
    all.extend(
        (0..30).map(|at| item(&at.to_string(), &format!("text {at} of the collector"), "b")),
    );
    store.upsert(&all).unwrap();
    shelf.upsert(&all).unwrap();
    let query = terms("collector error E4711");
    let (here, there) = both(&store, &shelf, &query, 3, None);
    assert_eq!(there, ["both", "rare", "long"]);
    assert_eq!(there, here);
    let (here, there) = both(&store, &shelf, &query, 100, None);
    assert_eq!((here.len(), there.len()), (33, 33));
    // The same score thirty times over: in the order of the keys, whoever asks and how often.
    let keys = shelf.search_text(&["collector"], 100, None).unwrap();
    let last: Vec<_> = all[3..13]
        .iter()
        .map(|item| MilvusItems::key_of(&item.id))
        .collect();
    let tied: Vec<_> = keys.iter().filter(|key| last.contains(key)).collect();
    assert!(tied.is_sorted(), "{tied:?}");
    let only = Filter::one("source", "a");
    let (_, there) = both(&store, &shelf, &["collector"], 100, Some(&only));
    assert_eq!(there, ["both"]);
}

#[test]
fn what_is_no_word_finds_nothing_and_no_word_is_too_long() {
    let _runtime = runtime();
    let shelf = shelf();
    let longest = "x".repeat(65_000);
    let all = [
        item("a", "near and not or column text", "a"),
        item("empty", "", "a"),
        item("marks", " ... \u{1f680}", "a"),
        item("long", &format!("{longest} end"), "a"),
    ];
    assert_eq!(shelf.upsert(&all).unwrap(), 4);
    let found = |words: &[&str]| {
        let keys = shelf.search_text(words, 9, None).unwrap();
        let rows = shelf.get(&keys).unwrap().into_iter();
        rows.map(|row| row.id).collect::<Vec<_>>()
    };
    let nothing: [&[&str]; 6] = [
        &[],
        &[""],
        &["...", "\""],
        &["\u{1f680}"],
        &["\0"],
        &["zebra"],
    ];
    for words in nothing {
        assert!(found(words).is_empty(), "{words:?}");
    }
    assert!(shelf.search_text(&["text"], 0, None).unwrap().is_empty());
    assert_eq!(found(&["NOT", "zebra", "\""]), ["a"]);
    assert_eq!(found(&[&longest]), ["long"]);
    assert_eq!(found(&["end"]), ["long"]);
    assert!(found(&[&"y".repeat(1 << 20)]).is_empty());
    let many: Vec<_> = (0..10_000).map(|at| format!("word{at}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert!(found(&many).is_empty());
    let error = shelf.search_text(&["text"], 1_000_000, None);
    assert_eq!(error.unwrap().len(), 1);
}

fn field(name: &str, kind: DataType) -> FieldSchema {
    FieldSchema::new().name(name).data_type(kind)
}

/// A collection as it was made before items were found by their words, which is format 1, or one that says to
/// have another format and has more fields.
async fn made_by_hand(
    config: &MilvusConfig,
    space: &VectorSpace,
    format: u32,
    more: Vec<FieldSchema>,
) {
    let schema = CollectionSchema::new()
        .enable_dynamic_field(false)
        .add_field(field("key", DataType::Int64).primary_key(true))
        .add_field(field("id", DataType::VarChar).max_length(65_535))
        .add_field(field("text", DataType::VarChar).max_length(65_535))
        .add_field(field("metadata", DataType::Json))
        .add_field(
            field("facets", DataType::Array)
                .element_type(DataType::VarChar)
                .max_capacity(4096)
                .max_length(32),
        )
        .add_field(
            field("vector", DataType::FloatVector)
                .dimension(u32::try_from(space.dimension).unwrap()),
        );
    let schema = more.into_iter().fold(schema, CollectionSchema::add_field);
    let recorded = json!({"llasta": format, "model": space.model, "dimension": space.dimension});
    let properties = HashMap::from([("llasta_space".to_owned(), recorded.to_string())]);
    let client = client(&config.url.to_string()).await.unwrap();
    let request = CreateCollectionRequest::builder()
        .collection_name(&config.collection)
        .schema(schema.description(recorded.to_string()))
        .properties(properties)
        .build()
        .unwrap();
    client.create_collection(request).await.unwrap();
    let vectors = IndexParam::new()
        .field_name("vector")
        .index_type(IndexType::Flat)
        .metric_type(MetricType::Ip);
    let request = CreateIndexRequest::builder()
        .collection_name(&config.collection)
        .index_param(vectors)
        .sync(false)
        .build()
        .unwrap();
    client.create_index(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_without_words_is_searched_by_vectors_and_says_where_its_items_should_go() {
    let url = tokio::task::spawn_blocking(shared).await.unwrap();
    let config = config();
    let old = config.collection.clone();
    let embedder = LexicalEmbedder::default();
    let space = VectorSpace {
        model: embedder.model().to_owned(),
        dimension: embedder.dimension(),
    };
    made_by_hand(&config, &space, 1, vec![]).await;
    let collection = opened(config).await;
    let (app, _seen) = served(Arc::clone(&collection));
    call(&app, post("/upsert", &json!({ "items": items() })))
        .await
        .json();
    let found = call(&app, post("/search", &json!({"query": "On which port?"})))
        .await
        .json();
    assert_eq!(found["results"][0]["id"], "ports");
    let hybrid = json!({"query": "On which port?", "retrieval": "hybrid"});
    let answer = call(&app, post("/search", &hybrid)).await;
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{answer:?}"
    );
    let (from, to) = (format!("{url}/{old}"), format!("{url}/{old}_words"));
    let advice = format!("llasta migrate --from {from} --to {to}");
    for says in [&advice, "--retrieval dense"] {
        assert!(answer.refusal().contains(says), "{answer:?}");
    }
    let refused = tokio::task::spawn_blocking(move || collection.prepare_text_search());
    let refused = refused.await.unwrap().unwrap_err();
    assert!(
        matches!(
            refused,
            CollectionError::Milvus(MilvusError::NoWords { .. })
        ),
        "{refused}"
    );
    let settings = |name| {
        [
            ("MILVUS_URL", url),
            ("MILVUS_COLLECTION", name),
            ("RETRIEVAL", "hybrid"),
        ]
    };
    let serve = ["serve", "faiss-wrap", "--index", "milvus", "--port", "0"];
    let refused = run(&serve, &settings(&old)).await;
    refused
        .expect(1)
        .complains(&["faiss-wrap cannot start", &advice]);

    // What it says works.
    run(&["migrate", "--from", &from, "--to", &to], &[])
        .await
        .expect(0)
        .says(&["3 written"]);
    let new = format!("{old}_words");
    let service = Llasta::serve(&["faiss-wrap", "--index", "milvus"], &settings(&new)).await;
    let found = service.post("/search", &json!({"query": "4317"})).await;
    assert_eq!(found["results"][0]["id"], "ports", "{found}");
    service.stop().await;
}

#[test]
fn a_collection_of_a_newer_llasta_or_of_a_milvus_without_bm25_is_refused() {
    let _runtime = runtime();
    let refused = |format: u32, more: Vec<FieldSchema>| {
        let config = config();
        tokio::runtime::Handle::current().block_on(made_by_hand(
            &config,
            &space("m"),
            format,
            more,
        ));
        MilvusItems::open(&config, &space("m")).unwrap_err()
    };
    let newer = refused(3, vec![]);
    assert!(matches!(newer, MilvusError::Foreign { .. }), "{newer}");
    assert!(newer.to_string().contains("format 3"), "{newer}");
    let lacking = refused(2, vec![]);
    assert!(lacking.to_string().contains("no field words"), "{lacking}");
    // As Milvus 2.4 makes it, which passes over what it does not know.
    let words = field("words", DataType::VarChar).max_length(65_535);
    let older = refused(2, vec![words, field("bm25", DataType::SparseFloatVector)]);
    assert!(matches!(older, MilvusError::Answer { .. }), "{older}");
    let older = older.to_string();
    assert!(
        older.contains("no BM25") && older.contains("2.5 or later"),
        "{older}"
    );
}
