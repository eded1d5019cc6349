//! faiss-wrap over Milvus as processes: replicas of which one is killed, and the demo.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::milvus::{Lite, collection, shared};
use crate::support::{Checking, DEADLINE, Llasta, client, command, items, run, until};

/// Who writes, each its own items again and again.
const WRITERS: usize = 4;
const ITEMS: usize = 12;

/// Rounds in which one of both replicas is killed.
const KILLS: usize = 4;

/// Acknowledged requests before each kill, and after it.
const REQUESTS: usize = 60;

/// What is known of an item: the version sent last, and the one acknowledged last.
#[derive(Debug, Default, Clone, Copy)]
struct Known {
    sent: usize,
    acknowledged: usize,
}

#[derive(Debug, Default)]
struct Ledger {
    items: Mutex<BTreeMap<String, Known>>,
    done: Mutex<usize>,
}

impl Ledger {
    fn done(&self) -> usize {
        *self.done.lock().unwrap()
    }
}

async fn replica(milvus: &str, collection: &str) -> Llasta {
    let folder = "/nowhere/llasta";
    let arguments = ["faiss-wrap", "--index", "milvus", "--data-dir", folder];
    let environment = [
        ("MILVUS_URL", milvus),
        ("MILVUS_COLLECTION", collection),
        ("MILVUS_INDEX", "FLAT"),
    ];
    Llasta::serve(&arguments, &environment).await
}

/// Upserts its own items, each time as a new version, to whichever replica answers, and deletes some.
async fn write(writer: usize, urls: Arc<Mutex<[String; 2]>>, ledger: Arc<Ledger>) {
    let client = client();
    for turn in 0.. {
        let id = format!("w{writer}-{}", turn % ITEMS);
        let version = {
            let mut items = ledger.items.lock().unwrap();
            let known = items.entry(id.clone()).or_default();
            known.sent += 1;
            known.sent
        };
        let url = urls.lock().unwrap()[turn % 2].clone();
        let body = json!({"items": [{"id": id, "text": format!("version {version} of {id}"),
            "metadata": {"version": version, "writer": writer}}]});
        let sent = client
            .post(format!("{url}/upsert"))
            .json(&body)
            .send()
            .await;
        if sent.is_ok_and(|answer| answer.status() == StatusCode::OK) {
            let mut items = ledger.items.lock().unwrap();
            items.get_mut(&id).unwrap().acknowledged = version;
            *ledger.done.lock().unwrap() += 1;
        }
    }
}

/// What was acknowledged before a search is found by it, at either replica.
async fn search(urls: Arc<Mutex<[String; 2]>>, ledger: Arc<Ledger>) {
    let client = client();
    for turn in 0_usize.. {
        let before = ledger.items.lock().unwrap().clone();
        let url = urls.lock().unwrap()[turn % 2].clone();
        let retrieval = ["dense", "hybrid"][turn / 2 % 2];
        let query = format!("version of w{}", turn % WRITERS);
        let body = json!({"query": query, "top_k": 50, "retrieval": retrieval});
        let sent = client
            .post(format!("{url}/search"))
            .json(&body)
            .send()
            .await;
        let Ok(answer) = sent else { continue };
        if answer.status() != StatusCode::OK {
            continue;
        }
        let Ok(answer) = answer.json::<Value>().await else {
            continue;
        };
        let results = answer["results"].as_array().unwrap();
        let mut seen = BTreeMap::new();
        for result in results {
            let id = result["id"].as_str().unwrap().to_owned();
            let version = result["metadata"]["version"].as_u64().unwrap();
            assert_eq!(result["text"], format!("version {version} of {id}"));
            assert!(seen.insert(id, version).is_none(), "doubled: {results:?}");
        }
        for (id, known) in before {
            if known.acknowledged > 0 {
                let found = seen.get(&id).map(|version| *version as usize);
                assert!(
                    found >= Some(known.acknowledged),
                    "{id}: {found:?}, {known:?}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_replicas_one_is_killed_and_nothing_acknowledged_is_lost_or_doubled() {
    let lite = tokio::task::spawn_blocking(Lite::start).await.unwrap();
    let (milvus, name) = (lite.url(), "replicated");
    let mut replicas = vec![replica(&milvus, name).await, replica(&milvus, name).await];
    let urls = Arc::new(Mutex::new([
        replicas[0].url.clone(),
        replicas[1].url.clone(),
    ]));
    let ledger = Arc::new(Ledger::default());
    let mut work = JoinSet::new();
    for writer in 0..WRITERS {
        work.spawn(write(writer, Arc::clone(&urls), Arc::clone(&ledger)));
    }
    for _ in 0..2 {
        work.spawn(search(Arc::clone(&urls), Arc::clone(&ledger)));
    }
    for kill in 0..KILLS {
        let enough = ledger.done() + REQUESTS;
        until(|| ledger.done() >= enough).await;
        let victim = kill % 2;
        replicas.remove(victim).kill().await;
        // The other one goes on alone meanwhile.
        let enough = ledger.done() + REQUESTS / 2;
        until(|| ledger.done() >= enough).await;
        replicas.insert(victim, replica(&milvus, name).await);
        urls.lock().unwrap()[victim].clone_from(&replicas[victim].url);
    }
    // Whoever failed says why.
    while let Some(ended) = work.try_join_next() {
        ended.unwrap();
    }
    work.shutdown().await;

    let ledger = ledger.items.lock().unwrap().clone();
    for service in &replicas {
        let listed = service.post("/items", &json!({"limit": 1000})).await;
        let mut seen = BTreeMap::new();
        for item in listed["items"].as_array().unwrap() {
            let id = item["id"].as_str().unwrap().to_owned();
            let version = item["metadata"]["version"].as_u64().unwrap() as usize;
            assert!(seen.insert(id, version).is_none(), "doubled: {listed}");
        }
        assert_eq!(listed["total_items"], seen.len());
        for (id, known) in &ledger {
            let version = seen.remove(id).unwrap_or_default();
            let could = known.acknowledged..=known.sent;
            assert!(could.contains(&version), "{id}: {version}, {known:?}");
        }
        assert!(seen.is_empty(), "invented: {seen:?}");
    }
    for service in replicas {
        service.stop().await;
    }
}

#[tokio::test]
async fn the_demo_over_milvus_prints_the_same_tree_without_findings() {
    let url = tokio::task::spawn_blocking(shared).await.unwrap();
    let docs = tempfile::tempdir().unwrap();
    let text = "# Metrics\n\nfaiss-wrap exposes the metrics faiss_wrap_search_total and faiss_wrap_index_size.\n";
    std::fs::write(docs.path().join("metrics.md"), text).unwrap();
    let docs = docs.path().to_str().unwrap().to_owned();
    let name = collection();
    let arguments = [
        "demo",
        "--docs",
        &docs,
        "--index",
        "milvus",
        "--milvus-url",
        url,
        "--milvus-collection",
        &name,
    ];
    // The second finds what the first put there.
    for there in [false, true] {
        let running = command(&arguments, &[]).output();
        let ended = tokio::time::timeout(DEADLINE * 4, running)
            .await
            .unwrap()
            .unwrap();
        let said = String::from_utf8(ended.stdout).unwrap();
        let complained = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.success(), "{said}\n{complained}");
        for span in [
            "POST /api/chat",
            "rag.retrieve_context",
            "faiss.search",
            "faiss.embed_query",
            "faiss.index_search",
            "milvus.search",
            "milvus.query",
            "vllm.generate",
            "response.send_to_frontend",
        ] {
            assert!(said.contains(span), "no {span}: {said}");
        }
        assert!(said.contains("0 findings"), "{said}");
        assert_eq!(complained.contains("1 files were there already"), there);
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_at_the_start() {
    let without = run(
        &["serve", "faiss-wrap", "--index", "milvus", "--port", "0"],
        &[],
    )
    .await;
    without.expect(2).complains(&["--milvus-url", "MILVUS_URL"]);
    let secret = "user:very-secret";
    let help = run(
        &["serve", "faiss-wrap", "--help"],
        &[("MILVUS_TOKEN", secret)],
    )
    .await
    .expect(0);
    help.says(&["MILVUS_TOKEN", "--milvus-consistency"]);
    assert!(!help.stdout.contains("very-secret"));
    let gone = run(
        &["serve", "faiss-wrap", "--index", "milvus", "--port", "0"],
        &[
            ("MILVUS_URL", "http://127.0.0.1:1"),
            ("MILVUS_TIMEOUT", "1"),
        ],
    );
    gone.await
        .expect(1)
        .complains(&["http://127.0.0.1:1", "cannot be reached"]);
}

#[tokio::test]
async fn a_check_of_the_service_over_milvus_finds_nothing_from_its_start_to_its_end() {
    let url = tokio::task::spawn_blocking(shared).await.unwrap();
    let check = Checking::start(&["--format", "json"]).await;
    let name = collection();
    for retrieval in ["dense", "hybrid"] {
        let environment = [
            ("RETRIEVAL", retrieval),
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &*check.endpoint),
            ("OTEL_BSP_SCHEDULE_DELAY", "10"),
            ("MILVUS_URL", url),
            ("MILVUS_COLLECTION", &name),
        ];
        let service = Llasta::serve(&["faiss-wrap", "--index", "milvus"], &environment).await;
        service.post("/upsert", &json!({ "items": items() })).await;
        let ports = json!({"query": "port", "filter": {"source": "ports.pdf", "page": 3}});
        let found = service.post("/search", &ports).await;
        assert_eq!(found["results"][0]["id"], "ports", "{found}");
        let gone = service
            .post("/delete", &json!({"filter": {"source": "animals.md"}}))
            .await;
        assert_eq!(
            (&gone["deleted"], &gone["total_items"]),
            (&json!(1), &json!(2))
        );
        service.post("/reset", &json!({})).await;
        assert_eq!(service.get("/health").await["index_size"], 0);
        service.stop().await;
    }
    let ended = check.stop().await;
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["findings"], json!([]), "{report:#}");
    assert!(
        report["seen"]["spans"]["faiss-wrap"].as_u64() > Some(32),
        "{report:#}"
    );
    ended.expect(0);
}
