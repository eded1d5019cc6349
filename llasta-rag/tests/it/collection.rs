//! A collection keeps what it acknowledged, whatever happens to the index file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use llasta_rag::embed::{EmbedError, Embedder, LexicalEmbedder};
use llasta_rag::index::{ExactIndex, Index, IndexKind};
use llasta_rag::pipeline::{Collection, CollectionError, Item, SearchResult};
use llasta_rag::store::{Filter, StoreError};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

/// The lexical embedder, counting the texts it is given.
#[derive(Debug)]
struct Counting {
    inner: LexicalEmbedder,
    texts: AtomicUsize,
}

impl Counting {
    fn new(dimension: usize) -> Arc<Self> {
        let inner = LexicalEmbedder::new(dimension).unwrap();
        Arc::new(Self {
            inner,
            texts: AtomicUsize::new(0),
        })
    }
}

impl Embedder for Counting {
    fn model(&self) -> &str {
        self.inner.model()
    }

    fn dimension(&self) -> usize {
        self.inner.dimension()
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.texts.fetch_add(texts.len(), Ordering::Relaxed);
        self.inner.embed(texts)
    }
}

fn open(folder: &Path) -> Collection {
    Collection::open(folder, Counting::new(128), IndexKind::Auto).unwrap()
}

fn item(id: &str, text: &str) -> Item {
    let metadata = json!({ "source": id });
    Item {
        id: id.to_owned(),
        text: text.to_owned(),
        metadata,
    }
}

fn search(collection: &Collection, query: &str, k: usize) -> Vec<SearchResult> {
    let vector = collection.embed_query(query).unwrap();
    collection
        .fetch(&collection.search_vector(&vector, k).unwrap())
        .unwrap()
}

fn some_items() -> Vec<Item> {
    vec![
        item("cats", "Cats sleep most of the day."),
        item("ports", "The collector listens on port 4317."),
        item("money", "The invoice is due in April."),
    ]
}

#[test]
fn a_text_is_found_by_its_words_with_its_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let collection = open(folder.path());
    let done = collection.upsert(some_items()).unwrap();
    assert_eq!((done.upserted, done.total_items), (3, 3));
    let found = search(&collection, "Which port does the collector listen on?", 2);
    assert_eq!(found.len(), 2);
    assert_eq!(
        (found[0].id.as_str(), &found[0].metadata["source"]),
        ("ports", &"ports".into())
    );
    assert!(found[0].score > found[1].score);
    assert!(search(&collection, " \n", 5).is_empty());
}

#[test]
fn everything_is_there_after_reopening_saved_or_not() {
    for saved in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let collection = open(folder.path());
        collection.upsert(some_items()).unwrap();
        let before = search(&collection, "the day in April", 3);
        if saved {
            collection.save().unwrap();
        }
        drop(collection);
        let collection = open(folder.path());
        assert_eq!(
            (collection.len(), collection.metadata_len().unwrap()),
            (3, 3)
        );
        assert_eq!(
            search(&collection, "the day in April", 3),
            before,
            "saved: {saved}"
        );
    }
}

#[test]
fn a_damaged_or_stale_index_file_is_rebuilt_from_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("index.bin");
    let collection = open(folder.path());
    collection.upsert(some_items()).unwrap();
    collection.save().unwrap();
    let stale = fs::read(&file).unwrap();
    collection
        .upsert(vec![item("late", "Late in the day.")])
        .unwrap();
    collection.save().unwrap();
    let before = search(&collection, "the day", 9);
    assert_eq!(before.len(), 4);
    drop(collection);

    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for bytes in [
        &flipped[..],
        &whole[..whole.len() / 2],
        b"",
        b"not an index",
        &stale,
        &whole,
    ] {
        fs::write(&file, bytes).unwrap();
        let collection = open(folder.path());
        assert_eq!(
            search(&collection, "the day", 9),
            before,
            "{} bytes",
            bytes.len()
        );
        collection.save().unwrap();
        drop(collection);
        assert_eq!(fs::read(&file).unwrap().len(), whole.len());
    }
}

#[test]
fn an_upsert_embeds_the_items_given_each_id_once_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let embedder = Counting::new(128);
    let collection = Collection::open(folder.path(), embedder.clone(), IndexKind::Exact).unwrap();
    collection.upsert(some_items()).unwrap();
    assert_eq!(embedder.texts.swap(0, Ordering::Relaxed), 3);
    let done = collection
        .upsert(vec![
            item("cats", "first"),
            item("dogs", "Dogs bark."),
            item("cats", "Cats purr."),
        ])
        .unwrap();
    assert_eq!((done.upserted, done.total_items), (2, 4));
    assert_eq!(embedder.texts.swap(0, Ordering::Relaxed), 2);
    assert_eq!(search(&collection, "purring cats", 1)[0].text, "Cats purr.");
    assert_eq!(collection.len(), 4);
}

#[test]
fn a_refused_request_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let collection = open(folder.path());
    let error = collection
        .upsert(vec![item("a", "text"), item(" ", "text")])
        .unwrap_err();
    assert!(matches!(error, CollectionError::BlankId { position: 1 }));
    assert_eq!(
        (collection.len(), collection.metadata_len().unwrap()),
        (0, 0)
    );
}

#[test]
fn a_result_whose_item_was_deleted_or_reset_since_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let collection = open(folder.path());
    collection.upsert(some_items()).unwrap();
    let query = collection.embed_query("cats on port 4317").unwrap();
    let neighbours = collection.search_vector(&query, 3).unwrap();
    assert_eq!(collection.delete(&["cats", "none"]).unwrap(), 1);
    let ids: Vec<_> = collection
        .fetch(&neighbours)
        .unwrap()
        .into_iter()
        .map(|r| r.id)
        .collect();
    assert_eq!(ids, ["ports", "money"]);
    collection.reset().unwrap();
    collection
        .upsert(vec![item("new", "cats on port 4317")])
        .unwrap();
    assert!(collection.fetch(&neighbours).unwrap().is_empty());
    assert_eq!(search(&collection, "cats", 9).len(), 1);
}

#[test]
fn another_model_is_refused_and_on_request_everything_is_embedded_again() {
    let folder = tempfile::tempdir().unwrap();
    let collection = open(folder.path());
    collection.upsert(some_items()).unwrap();
    collection.save().unwrap();
    drop(collection);

    let error = Collection::open(folder.path(), Counting::new(256), IndexKind::Auto).unwrap_err();
    assert!(
        matches!(error, CollectionError::Store(StoreError::OtherSpace { .. })),
        "{error}"
    );

    let embedder = Counting::new(256);
    let again =
        Collection::open_reembedding(folder.path(), embedder.clone(), IndexKind::Auto).unwrap();
    assert_eq!(embedder.texts.load(Ordering::Relaxed), 3);
    assert_eq!(again.dimension(), 256);
    assert_eq!(search(&again, "sleeping cats", 1)[0].id, "cats");
}

#[test]
fn searches_go_on_while_an_upsert_embeds() {
    /// Searches the collection in the middle of an upsert.
    #[derive(Debug)]
    struct Searching {
        inner: LexicalEmbedder,
        collection: std::sync::OnceLock<Arc<Collection>>,
        found: AtomicUsize,
    }
    impl Embedder for Searching {
        fn model(&self) -> &str {
            self.inner.model()
        }
        fn dimension(&self) -> usize {
            self.inner.dimension()
        }
        fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
            let vectors = self.inner.embed(texts)?;
            if let Some(collection) = self.collection.get() {
                let found = collection.search_vector(&vectors[0], 5).unwrap();
                self.found
                    .store(collection.fetch(&found).unwrap().len(), Ordering::Relaxed);
            }
            Ok(vectors)
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let embedder = Arc::new(Searching {
        inner: LexicalEmbedder::new(128).unwrap(),
        collection: std::sync::OnceLock::new(),
        found: AtomicUsize::new(0),
    });
    let collection =
        Arc::new(Collection::open(folder.path(), embedder.clone(), IndexKind::Auto).unwrap());
    collection.upsert(some_items()).unwrap();
    embedder.collection.set(Arc::clone(&collection)).unwrap();
    collection.upsert(vec![item("more", "More cats.")]).unwrap();
    assert_eq!(embedder.found.load(Ordering::Relaxed), 3);
}

/// Three sources, each with a third of the ids.
fn source_of(id: u8) -> String {
    format!("source {}", id % 3)
}

fn of_source(id: u8, text: &str) -> Item {
    Item {
        metadata: json!({ "source": source_of(id) }),
        ..item(&id.to_string(), text)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Upsert(Vec<(u8, u8)>),
    Delete(Vec<u8>),
    /// By the source, but for some.
    DeleteSource(u8, Vec<u8>),
    Hybrid,
    Reset,
    Save,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => vec((0..9_u8, 0..6_u8), 1..5).prop_map(Step::Upsert),
        2 => vec(0..9_u8, 1..4).prop_map(Step::Delete),
        2 => (0..3_u8, vec(0..9_u8, 0..3)).prop_map(|(source, keep)| Step::DeleteSource(source, keep)),
        1 => Just(Step::Hybrid),
        1 => Just(Step::Reset),
        1 => Just(Step::Save),
        2 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_found_is_what_was_acknowledged(steps in vec(step(), 1..12)) {
        let folder = tempfile::tempdir().unwrap();
        let mut collection = open(folder.path());
        let mut model = BTreeMap::new();
        let mut hybrid = false;
        for step in steps {
            match step {
                Step::Upsert(items) => {
                    model.extend(items.iter().map(|(id, word)| (id.to_string(), format!("word{word}"))));
                    let items = items.iter().map(|(id, word)| of_source(*id, &format!("word{word}")));
                    collection.upsert(items.collect()).unwrap();
                }
                Step::Delete(ids) => {
                    let ids: Vec<_> = ids.iter().map(u8::to_string).collect();
                    collection.delete(&ids).unwrap();
                    model.retain(|id, _| !ids.contains(id));
                }
                Step::DeleteSource(source, keep) => {
                    let keep: Vec<_> = keep.iter().map(u8::to_string).collect();
                    let filter = Filter::one("source", source_of(source));
                    collection.delete_where(&filter, &keep).unwrap();
                    model.retain(|id: &String, _| {
                        source_of(id.parse().unwrap()) != source_of(source) || keep.contains(id)
                    });
                }
                Step::Hybrid => {
                    collection.prepare_text_search().unwrap();
                    hybrid = true;
                }
                Step::Reset => {
                    collection.reset().unwrap();
                    model.clear();
                }
                Step::Save => collection.save().unwrap(),
                Step::Reopen => {
                    drop(collection);
                    collection = open(folder.path());
                }
            }
            let found: BTreeMap<_, _> = search(&collection, "word1", 50)
                .into_iter()
                .map(|result| (result.id, result.text))
                .collect();
            prop_assert_eq!(&found, &model);
            prop_assert_eq!(collection.metadata_len().unwrap(), model.len());

            // The same, in the same order and with the same scores, as from an index that is made now.
            let oracle = ExactIndex::new(collection.dimension()).unwrap();
            let vectors = collection.store().unwrap().vectors_after(0, 100).unwrap();
            let rows: Vec<_> = vectors.iter().map(|(key, vector)| (*key, &vector[..])).collect();
            oracle.upsert(&rows).unwrap();
            let query = collection.embed_query("word1 word2 word3").unwrap();
            let near = collection.search_vector(&query, 5).unwrap();
            prop_assert_eq!(&near, &oracle.search(&query, 5).unwrap());
            let filter = Filter::one("source", source_of(1));
            let among = collection.store().unwrap().keys(&filter).unwrap();
            let near = collection.search_among(&query, 5, &filter).unwrap();
            let expected = oracle.search_many(&[&query], 5, Some(&among)).unwrap();
            prop_assert_eq!(&near, &expected[0]);

            if !hybrid {
                continue;
            }
            let worded = collection.search_text(&["word1"], 100, None).unwrap().len();
            prop_assert_eq!(worded, model.values().filter(|text| *text == "word1").count());
        }
    }
}
