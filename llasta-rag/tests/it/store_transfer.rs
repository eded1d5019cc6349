//! `llasta export` and `llasta import`: everything goes out and comes in again, or nothing does.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use llasta_rag::embed::LexicalEmbedder;
use llasta_rag::index::IndexKind;
use llasta_rag::pipeline::{Collection, Item};
use llasta_rag::store::{Store, StoredItem, VectorSpace};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Ended, run};

fn collection(folder: &Path, dimension: usize) -> Collection {
    let embedder = Arc::new(LexicalEmbedder::new(dimension).unwrap());
    Collection::open(folder, embedder, IndexKind::Auto).unwrap()
}

/// A store with a number of items of every kind.
fn filled(items: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let kinds = [
        json!({"source": "a"}),
        json!([1, "ä\n"]),
        json!("text"),
        json!(null),
        json!(-0.5),
    ];
    let items = (0..items).map(|n| Item {
        id: format!("id \"{n}\" \u{1F600}"),
        text: format!("The harbour\nnumber {n}."),
        metadata: kinds[n % kinds.len()].clone(),
    });
    collection(folder.path(), 1024)
        .upsert(items.collect())
        .unwrap();
    folder
}

async fn with(command: &str, folder: &Path, more: &[&str]) -> Ended {
    let folder = folder.to_str().unwrap();
    run(&[&[command, "--data-dir", folder], more].concat(), &[]).await
}

fn everything(folder: &Path) -> Vec<(String, Value, Vec<f32>)> {
    let store = Store::open(folder).unwrap();
    let named = store.list(None, 0, 10_000).unwrap();
    let vectors = store.vectors_after(0, 10_000).unwrap();
    named
        .into_iter()
        .zip(vectors)
        .map(|(named, (_, vector))| (named.id, named.metadata, vector))
        .collect()
}

#[tokio::test]
async fn what_is_exported_and_imported_is_the_same() {
    let folder = filled(600);
    let file = folder.path().join("all.jsonl");
    let name = file.to_str().unwrap();
    with("export", folder.path(), &["--output", name])
        .await
        .expect(0)
        .complains(&["600 items exported"]);
    let text = fs::read_to_string(&file).unwrap();
    let head: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(
        head,
        json!({"llasta_store": 1, "model": "llasta/lexical-hash-1024", "dimension": 1024, "count": 600})
    );
    assert_eq!(text.lines().count(), 601);

    let other = tempfile::tempdir().unwrap();
    let ended = with("import", other.path(), &[name]).await.expect(0);
    ended.says(&["600 items imported; the store holds 600"]);
    assert_eq!(everything(other.path()), everything(folder.path()));
    let found = collection(other.path(), 1024);
    assert_eq!(found.len(), 600);
    // Once more replaces.
    drop(found);
    with("import", other.path(), &[name])
        .await
        .expect(0)
        .says(&["holds 600"]);
    // Without a file it is standard output.
    let ended = with("export", other.path(), &[]).await.expect(0);
    assert_eq!(ended.stdout, text);
}

#[tokio::test]
async fn a_file_that_is_cut_off_or_damaged_changes_nothing() {
    let folder = filled(300);
    let ended = with("export", folder.path(), &[]).await.expect(0);
    let lines: Vec<_> = ended.stdout.lines().collect();
    let other = filled(2);
    let before = everything(other.path());
    let file = other.path().join("bad.jsonl");
    let name = file.to_str().unwrap();
    let with_line = |at: usize, line: &str| {
        let mut lines = lines.clone();
        lines[at] = line;
        lines.join("\n")
    };
    for (text, says) in [
        (
            lines[..200].join("\n"),
            "the first line says 300 items, but 199 follow",
        ),
        (lines[1..].join("\n"), "line 1 is no head of an export"),
        (String::new(), "line 1 is no head of an export"),
        (
            ended.stdout[..ended.stdout.len() - 30].to_owned(),
            "line 301 is no item",
        ),
        (
            with_line(280, "{}"),
            "line 281 is no item (missing field `id`",
        ),
        (
            with_line(
                7,
                r#"{"id": "a", "text": "b", "metadata": null, "vector": [1]}"#,
            ),
            "line 8 is no item (its vector has 1 components, not 1024)",
        ),
        (
            with_line(
                0,
                &lines[0].replace("\"llasta_store\":1", "\"llasta_store\":2"),
            ),
            "format 2",
        ),
    ] {
        fs::write(&file, text).unwrap();
        with("import", other.path(), &[name])
            .await
            .expect(1)
            .complains(&[says, "nothing was imported"]);
        assert_eq!(everything(other.path()), before, "{says}");
    }
}

#[tokio::test]
async fn vectors_of_another_model_are_refused_and_made_anew_when_asked() {
    let small = tempfile::tempdir().unwrap();
    let item = |id: &str| Item {
        id: id.to_owned(),
        text: format!("{id} in the harbour"),
        metadata: json!({}),
    };
    collection(small.path(), 64)
        .upsert(vec![item("ships"), item("cranes")])
        .unwrap();
    let file = small.path().join("all.jsonl");
    let name = file.to_str().unwrap();
    with("export", small.path(), &["--output", name])
        .await
        .expect(0);

    let folder = filled(1);
    let ended = with("import", folder.path(), &[name]).await.expect(1);
    ended.complains(&["lexical-hash-64", "lexical-hash-1024", "--reembed"]);
    let ended = with("import", folder.path(), &["--reembed", name])
        .await
        .expect(0);
    ended.says(&["2 items imported; the store holds 3"]);
    let collection = collection(folder.path(), 1024);
    let query = collection.embed_query("ships").unwrap();
    let found = collection
        .fetch(&collection.search_vector(&query, 1).unwrap())
        .unwrap();
    assert_eq!(found[0].id, "ships");
}

#[tokio::test]
async fn a_folder_without_a_store_or_in_use_is_said_to_be_so() {
    let folder = tempfile::tempdir().unwrap();
    let ended = with("export", folder.path(), &[]).await.expect(1);
    ended.complains(&["there is no store in", "DATA_DIR"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let open = Store::open(folder.path()).unwrap();
    with("export", folder.path(), &[])
        .await
        .expect(1)
        .complains(&["in use"]);
    drop(open);
}

proptest! {
    #[test]
    fn every_number_comes_back_with_the_same_bits(bits in proptest::collection::vec(any::<u32>(), 8)) {
        let vector: Vec<_> = bits.into_iter().map(f32::from_bits).map(|v| if v.is_finite() { v } else { 1.0 }).collect();
        let space = VectorSpace { model: "m".to_owned(), dimension: 8 };
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [from, to] = [0, 1].map(|n| Store::open(folders[n].path()).unwrap());
        from.claim(&space).unwrap();
        let item = StoredItem { id: "a".to_owned(), text: "t".to_owned(), metadata: json!({}), vector };
        from.upsert(std::slice::from_ref(&item)).unwrap();
        let mut lines = Vec::new();
        from.export(&mut lines).unwrap();
        to.import(&mut &lines[..], None).unwrap();
        let came = &to.vectors_after(0, 9).unwrap()[0].1;
        let bits = |vector: &[f32]| vector.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(came), bits(&item.vector));
    }
}
