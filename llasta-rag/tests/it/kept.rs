//! What faiss-wrap acknowledged is there after a restart, and what keeps it from starting is said.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use llasta_rag::embed::LexicalEmbedder;
use llasta_rag::index::IndexKind;
use llasta_rag::pipeline::{Collection, Item};
use serde_json::json;

use crate::support::{Llasta, client, items, run, until};

async fn faiss_wrap(folder: &Path) -> Llasta {
    let folder = folder.to_str().unwrap();
    Llasta::serve(&["faiss-wrap", "--data-dir", folder], &[]).await
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let service = faiss_wrap(folder.path()).await;
    service.post("/upsert", &json!({ "items": items() })).await;
    let query = json!({"query": "the collector in April", "top_k": 3});
    let before = service.post("/search", &query).await;
    assert_eq!(before["results"].as_array().unwrap().len(), 3);
    service.stop().await;

    let service = faiss_wrap(folder.path()).await;
    assert_eq!(service.get("/health").await["index_size"], 3);
    assert_eq!(service.post("/search", &query).await, before);
    let lines = service.stop().await;
    assert!(
        lines.iter().any(|line| line["message"] == "index loaded"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn what_was_acknowledged_before_a_kill_is_there_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let service = faiss_wrap(folder.path()).await;
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let writing = tokio::spawn({
        let (url, acknowledged) = (format!("{}/upsert", service.url), acknowledged.clone());
        async move {
            for number in 0.. {
                let item = json!({"id": format!("id{number}"), "text": format!("word{number}")});
                let request = client().post(&url).json(&json!({"items": [item]}));
                match request.send().await {
                    Ok(answer) if answer.status() == 200 => {
                        acknowledged.store(number + 1, Ordering::SeqCst);
                    }
                    _ => return,
                }
            }
        }
    });
    until(|| acknowledged.load(Ordering::SeqCst) >= 10).await;
    // In the middle of writing.
    service.kill().await;
    writing.await.unwrap();
    let acknowledged = acknowledged.load(Ordering::SeqCst);

    let mut service = faiss_wrap(folder.path()).await;
    let rebuilt = |line: &serde_json::Value| line["message"] == "index rebuilt from the store";
    service.line(rebuilt).await;
    for number in 0..acknowledged {
        let query = json!({"query": format!("word{number}"), "top_k": 1});
        let found = service.post("/search", &query).await;
        assert_eq!(found["results"][0]["id"], format!("id{number}"));
    }
    let health = service.get("/health").await;
    assert_eq!(health["index_size"], health["metadata_size"]);
    // The last one may have been written and not acknowledged.
    let size = health["index_size"].as_u64().unwrap() as usize;
    assert!(
        (acknowledged..=acknowledged + 1).contains(&size),
        "{size} of {acknowledged}"
    );
    service.stop().await;
}

#[tokio::test]
async fn a_second_service_on_the_same_folder_says_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let service = faiss_wrap(folder.path()).await;
    let path = folder.path().to_str().unwrap();
    let second = run(
        &["serve", "faiss-wrap", "--port", "0"],
        &[("DATA_DIR", path)],
    );
    let second = second.await.expect(1);
    second.complains(&[path, "in use by another process", "DATA_DIR"]);
    assert_eq!(service.get("/health").await["status"], "ok");
    service.stop().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let below = file.join("below");
    let below = below.to_str().unwrap();
    let ended = run(
        &["serve", "faiss-wrap", "--port", "0", "--data-dir", below],
        &[],
    );
    ended.await.expect(1).complains(&[below, "DATA_DIR"]);
}

#[tokio::test]
async fn a_damaged_store_is_not_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("store.db");
    let damaged = "no database ".repeat(100);
    fs::write(&database, &damaged).unwrap();
    let path = folder.path().to_str().unwrap();
    let ended = run(
        &["serve", "faiss-wrap", "--port", "0", "--data-dir", path],
        &[],
    );
    ended.await.expect(1).complains(&["damaged", "backup"]);
    assert_eq!(fs::read_to_string(database).unwrap(), damaged);
}

#[tokio::test]
async fn an_index_file_that_is_damaged_or_of_another_dimension_is_rebuilt_from_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let service = faiss_wrap(folder.path()).await;
    service.post("/upsert", &json!({ "items": items() })).await;
    service.stop().await;
    let index = folder.path().join("index.bin");
    let good = fs::read(&index).unwrap();

    let other = tempfile::tempdir().unwrap();
    let embedder = Arc::new(LexicalEmbedder::new(64).unwrap());
    let collection = Collection::open(other.path(), embedder, IndexKind::Auto).unwrap();
    let item = |id: &str| Item {
        id: id.to_owned(),
        text: id.to_owned(),
        metadata: json!({}),
    };
    collection
        .upsert(vec![item("a"), item("b"), item("c")])
        .unwrap();
    collection.save().unwrap();
    let of_other_dimension = fs::read(other.path().join("index.bin")).unwrap();
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;

    for (bad, why) in [
        (of_other_dimension, "64"),
        (flipped, "damaged"),
        (good[..good.len() / 2].to_vec(), "damaged"),
        (Vec::new(), "damaged"),
    ] {
        fs::write(&index, bad).unwrap();
        let mut service = faiss_wrap(folder.path()).await;
        let warned = service
            .line(|line| line["message"] == "index not loaded")
            .await;
        assert_eq!(warned["level"], "WARN");
        let reason = warned["reason"].as_str().unwrap();
        assert!(reason.contains(why), "{reason}");
        service
            .line(|line| line["message"] == "index rebuilt from the store")
            .await;
        let found = service
            .post("/search", &json!({"query": "port 4317", "top_k": 1}))
            .await;
        assert_eq!(found["results"][0]["id"], "ports");
        service.stop().await;
        assert_eq!(fs::read(&index).unwrap(), good);
    }
}

#[tokio::test]
async fn a_port_that_is_taken_says_which_and_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    for service in ["faiss-wrap", "chatbot-rag", "llm"] {
        let ended = run(
            &["serve", service],
            &[("APP_PORT", &port), ("DATA_DIR", path)],
        );
        ended.await.expect(1).complains(&[&port, "APP_PORT"]);
    }
}
