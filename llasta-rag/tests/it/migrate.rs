//! `llasta migrate`: from a folder to another one, which needs no Milvus, and to Milvus and back.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;

use llasta_rag::store::{Store, StoredItem, VectorSpace};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use crate::support::{DEADLINE, command, run};

/// Items of a migration that is to be killed: many pages.
const MANY: usize = 6000;

fn space(model: &str) -> VectorSpace {
    VectorSpace {
        model: model.to_owned(),
        dimension: 8,
    }
}

/// An item whose vector points where no other one does.
fn item(number: usize) -> StoredItem {
    let mut vector: Vec<f32> = (0..8_usize)
        .map(|at| ((number * (at + 3) + at) as f32).sin())
        .collect();
    llasta_rag::embed::normalise(&mut vector);
    StoredItem {
        id: format!("item {number}"),
        text: format!("text of {number} \u{0} é"),
        metadata: match number % 4 {
            0 => json!({"source": format!("{}.md", number % 7), "page": number}),
            1 => json!([number, null]),
            2 => json!({"share": 0.1 * number as f64, "whole": 1.0, "big": u64::MAX}),
            _ => json!("text"),
        },
        vector,
    }
}

fn filled(folder: &Path, count: usize) -> Vec<StoredItem> {
    let store = Store::open(folder).unwrap();
    store.claim(&space("m")).unwrap();
    let items: Vec<_> = (0..count).map(item).collect();
    store.upsert(&items).unwrap();
    items
}

/// Everything in a folder, by its ids.
fn content(folder: &Path) -> Vec<StoredItem> {
    let store = Store::open(folder).unwrap();
    let vectors = store.vectors_after(0, 10_000).unwrap();
    let keys: Vec<_> = vectors.iter().map(|(key, _)| *key).collect();
    let rows = store.get(&keys).unwrap().into_iter();
    let mut items: Vec<_> = rows
        .zip(vectors)
        .map(|(row, (key, vector))| {
            assert_eq!(row.key, key);
            StoredItem {
                id: row.id,
                text: row.text,
                metadata: row.metadata,
                vector,
            }
        })
        .collect();
    items.sort_by(|a, b| a.id.cmp(&b.id));
    items
}

fn sorted(mut items: Vec<StoredItem>) -> Vec<StoredItem> {
    items.sort_by(|a, b| a.id.cmp(&b.id));
    items
}

#[tokio::test]
async fn items_go_to_another_folder_and_a_second_run_writes_nothing() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let items = filled(from.path(), 700);
    let (source, target) = (from.path().to_str().unwrap(), to.path().to_str().unwrap());
    let arguments = ["migrate", "--from", source, "--to", target];
    run(&arguments, &[]).await.expect(0).says(&[
        "700 written, 0 were there",
        "20 searches for 10 results with a recall of 1.000",
        "nothing was deleted",
    ]);
    assert_eq!(content(to.path()), sorted(items));
    // Some are missing and one has changed since.
    let store = Store::open(to.path()).unwrap();
    store.delete(&["item 3", "item 600"]).unwrap();
    let mut other = item(5);
    other.metadata = json!({"changed": true});
    let mut more = item(0);
    "of the target alone".clone_into(&mut more.id);
    store.upsert(&[other, more]).unwrap();
    drop(store);
    run(&arguments, &[]).await.expect(0).says(&[
        "3 written, 697 were there",
        "701 items in the target",
        "1 of them were there before",
    ]);
    assert_eq!(content(from.path()).len(), 700);
}

/// Starts a migration, kills it when some of its items have arrived, and returns how many had.
async fn killed(arguments: &[&str], arrived: impl AsyncFn() -> usize) -> usize {
    let mut process = command(arguments, &[])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let some = async {
        loop {
            let there = arrived().await;
            if there > 0 {
                return there;
            }
            tokio::task::yield_now().await;
        }
    };
    let there = tokio::time::timeout(DEADLINE, some).await.unwrap();
    process.start_kill().unwrap();
    let ended = process.wait().await.unwrap();
    assert_eq!(ended.signal(), Some(9), "it ended by itself: {ended}");
    there
}

/// How many items are in a folder that another process may be writing to.
fn count_beside(folder: &Path) -> usize {
    let count = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let store = Connection::open_with_flags(folder.join("store.db"), flags)?;
        store.query_row("SELECT count(*) FROM items", [], |row| row.get::<_, u32>(0))
    };
    // There may be no table yet.
    count().unwrap_or(0) as usize
}

#[tokio::test]
async fn a_migration_that_is_killed_goes_on_where_it_was() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let items = sorted(filled(from.path(), MANY));
    let (source, target) = (from.path().to_str().unwrap(), to.path().to_str().unwrap());
    let arguments = ["migrate", "--from", source, "--to", target];
    let seen = killed(&arguments, async || count_beside(to.path())).await;
    let part = content(to.path()).len();
    assert!(seen <= part && part < MANY, "{seen}, {part}");
    run(&arguments, &[]).await.expect(0).says(&[
        &format!("{} written, {part} were there", MANY - part),
        &format!("verified: {MANY} items"),
    ]);
    assert_eq!(content(to.path()), items);
    assert_eq!(content(from.path()), items);
}

#[cfg(feature = "milvus")]
#[tokio::test]
async fn a_migration_to_milvus_or_back_that_is_killed_goes_on_where_it_was() {
    use crate::support::milvus::{collection, count, everything, shared};

    let url = tokio::task::spawn_blocking(shared).await.unwrap();
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let items = sorted(filled(from.path(), MANY));
    let name = collection();
    let milvus = format!("{url}/{name}");
    let (source, target) = (from.path().to_str().unwrap(), to.path().to_str().unwrap());
    let index = ["--milvus-index", "FLAT"];
    let there = [&["migrate", "--from", source, "--to", &milvus], &index[..]].concat();
    let seen = killed(&there, async || count(url, &name).await).await;
    // What was under way when it was killed may have arrived since, and nothing comes later.
    let part = sorted(everything(url, &name).await);
    assert!(
        seen <= part.len() && part.len() < MANY,
        "{seen}, {}",
        part.len()
    );
    let whole = |item: &StoredItem| {
        let place = items.binary_search_by(|other| other.id.cmp(&item.id));
        place.is_ok_and(|at| items[at] == *item)
    };
    assert!(part.iter().all(whole));
    let written = MANY - part.len();
    run(&there, &[]).await.expect(0).says(&[
        &format!("{written} written, {} were there", part.len()),
        &format!("verified: {MANY} items"),
    ]);
    assert_eq!(sorted(everything(url, &name).await), items);
    assert_eq!(content(from.path()), items);

    let back = ["migrate", "--from", &milvus, "--to", target];
    let seen = killed(&back, async || count_beside(to.path())).await;
    let part = content(to.path()).len();
    assert!(seen <= part && part < MANY, "{seen}, {part}");
    run(&back, &[]).await.expect(0).says(&[
        &format!("{} written, {part} were there", MANY - part),
        &format!("verified: {MANY} items"),
    ]);
    assert_eq!(content(to.path()), items);
    assert_eq!(sorted(everything(url, &name).await), items);
}

#[tokio::test]
async fn a_place_that_cannot_be_is_refused_before_anything_is_moved() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    filled(from.path(), 3);
    let (source, target) = (from.path().to_str().unwrap(), to.path().to_str().unwrap());
    let empty = run(&["migrate", "--from", target, "--to", source], &[]).await;
    empty.expect(1).complains(&["there is no store", target]);
    let same = run(&["migrate", "--from", source, "--to", source], &[]).await;
    same.expect(2).complains(&["the same place"]);
    let address = run(
        &["migrate", "--from", source, "--to", "milvus://a/b/c"],
        &[],
    )
    .await;
    address.expect(2).complains(&["letters, digits"]);

    let store = Store::open(to.path()).unwrap();
    store.claim(&space("another")).unwrap();
    store.upsert(&[item(1)]).unwrap();
    drop(store);
    let other = run(&["migrate", "--from", source, "--to", target], &[]).await;
    other
        .expect(1)
        .complains(&["nothing was moved", "another (8 components)", "--to"]);
    assert_eq!(content(to.path()).len(), 1);
}

#[cfg(not(feature = "milvus"))]
#[tokio::test]
async fn without_milvus_the_refusal_names_the_feature() {
    let from = tempfile::tempdir().unwrap();
    filled(from.path(), 3);
    let arguments = [
        "migrate",
        "--from",
        from.path().to_str().unwrap(),
        "--to",
        "milvus://a/b",
    ];
    run(&arguments, &[])
        .await
        .expect(1)
        .complains(&["--features milvus"]);
}

#[cfg(feature = "milvus")]
#[tokio::test]
async fn items_go_to_milvus_and_back_as_they_were() {
    use crate::support::milvus::{collection, shared};

    let url = tokio::task::spawn_blocking(shared).await.unwrap();
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let items = sorted(filled(from.path(), 700));
    let name = collection();
    let milvus = format!("{}/{name}", url.replace("http://", "milvus://"));
    let (source, target) = (from.path().to_str().unwrap(), to.path().to_str().unwrap());
    let there = [
        "migrate",
        "--from",
        source,
        "--to",
        &milvus,
        "--milvus-index",
        "FLAT",
    ];
    run(&there, &[]).await.expect(0).says(&[
        "700 items of m (8 components)",
        "700 written, 0 were there",
        "verified: 700 items",
        "recall of 1.000",
    ]);
    run(&there, &[])
        .await
        .expect(0)
        .says(&["0 written, 700 were there"]);
    run(&["migrate", "--from", &milvus, "--to", target], &[])
        .await
        .expect(0)
        .says(&["700 written", "recall of 1.000"]);
    assert_eq!(content(to.path()), items);
    assert_eq!(content(from.path()), items);

    let other = tempfile::tempdir().unwrap();
    let store = Store::open(other.path()).unwrap();
    store.claim(&space("another")).unwrap();
    store.upsert(&[item(1)]).unwrap();
    drop(store);
    let refused = [
        "migrate",
        "--from",
        other.path().to_str().unwrap(),
        "--to",
        &milvus,
    ];
    run(&refused, &[])
        .await
        .expect(1)
        .complains(&["nothing was moved", "m (8 components)"]);
    let missing = format!("{milvus}_missing");
    let refused = ["migrate", "--from", &missing, "--to", target];
    run(&refused, &[])
        .await
        .expect(1)
        .complains(&["there is no Milvus collection"]);
}
