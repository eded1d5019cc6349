//! faiss-wrap is killed again and again in the middle of its work, and counted afterwards.
//!
//! `LLASTA_CRASHES` says how often (200 unless told), `LLASTA_CRASH_INDEX` with which index. One that is
//! made by FAISS's factory gets so many items that they lie in its main part and are merged into it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Llasta, client};

/// Items of one group: they are sent together, so they are there together or not at all.
const GROUP: usize = 8;
/// Groups that each writer keeps replacing.
const GROUPS: usize = 12;
const WRITERS: usize = 3;
const SEARCHERS: usize = 2;
/// Items that only lie there, so that a factory index is more than its exact part.
const FILLERS: usize = 1_500;

/// What a writer knows of its groups: the last version it sent, and the last that was acknowledged.
#[derive(Debug, Default, Clone)]
struct Known {
    sent: usize,
    acknowledged: usize,
}

type Ledger = Arc<Mutex<BTreeMap<String, Known>>>;

/// What 200 kills may not do.
#[derive(Debug, Default, PartialEq, Eq)]
struct Damage {
    lost: usize,
    doubled: usize,
    half_written: usize,
    invented: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_in_the_middle_of_upserts_and_searches_lose_double_and_halve_nothing() {
    let crashes = setting("LLASTA_CRASHES").map_or(200, |number| number.parse().unwrap());
    let index = setting("LLASTA_CRASH_INDEX").unwrap_or_else(|| "auto".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::default();
    let mut damage = Damage::default();
    let mut requests = 0;
    let fillers = if ["auto", "exact", "faiss"].contains(&&*index) {
        0
    } else {
        FILLERS
    };
    let service = start(folder.path(), &index).await;
    for first in (0..fillers).step_by(500) {
        let items: Vec<_> = (first..first + 500)
            .map(|number| json!({"id": format!("filler{number}"), "text": format!("filler word{number}")}))
            .collect();
        service.post("/upsert", &json!({ "items": items })).await;
    }
    service.stop().await;
    for crash in 0..crashes {
        let service = start(folder.path(), &index).await;
        let done = Arc::new(AtomicUsize::new(0));
        let mut work = JoinSet::new();
        for writer in 0..WRITERS {
            work.spawn(write(
                service.url.clone(),
                writer,
                ledger.clone(),
                done.clone(),
            ));
        }
        for _ in 0..SEARCHERS {
            work.spawn(search(service.url.clone(), done.clone()));
        }
        // Each time at another point: after so many answers, and then within a request.
        let enough = crash * 7 % 23;
        while done.load(Ordering::SeqCst) < enough {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_micros((crash * 977 % 9_000) as u64)).await;
        service.kill().await;
        while work.join_next().await.is_some() {}
        requests += done.load(Ordering::SeqCst);

        let service = start(folder.path(), &index).await;
        examine(&service, &ledger, fillers, &mut damage).await;
        service.stop().await;
    }
    println!("{crashes} kills, {requests} answers, {damage:?}");
    assert_eq!(damage, Damage::default());
    assert!(
        requests >= crashes,
        "only {requests} answers: nothing was tried"
    );
}

fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

async fn start(folder: &Path, index: &str) -> Llasta {
    let folder = folder.to_str().unwrap();
    Llasta::serve(&["faiss-wrap", "--data-dir", folder, "--index", index], &[]).await
}

/// Replaces its groups one after the other until the service is gone.
async fn write(url: String, writer: usize, ledger: Ledger, done: Arc<AtomicUsize>) {
    let client = client();
    for turn in 0.. {
        let group = format!("group{writer}x{}", turn % GROUPS);
        let version = {
            let mut ledger = ledger.lock().unwrap();
            let known = ledger.entry(group.clone()).or_default();
            known.sent += 1;
            known.sent
        };
        let items: Vec<_> = (0..GROUP)
            .map(|number| {
                json!({
                    "id": format!("{group}-{number}"),
                    "text": format!("{group} item {number}"),
                    "metadata": {"version": version},
                })
            })
            .collect();
        if !answered(
            &client,
            &format!("{url}/upsert"),
            &json!({ "items": items }),
        )
        .await
        {
            return;
        }
        ledger.lock().unwrap().get_mut(&group).unwrap().acknowledged = version;
        done.fetch_add(1, Ordering::SeqCst);
    }
}

async fn search(url: String, done: Arc<AtomicUsize>) {
    let client = client();
    for turn in 0.. {
        let query = format!("group{}x{} item", turn % WRITERS, turn % GROUPS);
        let body = json!({"query": query, "top_k": 10});
        if !answered(&client, &format!("{url}/search"), &body).await {
            return;
        }
        done.fetch_add(1, Ordering::SeqCst);
    }
}

async fn answered(client: &Client, url: &str, body: &Value) -> bool {
    matches!(client.post(url).json(body).send().await, Ok(answer) if answer.status() == 200)
}

/// Compares what the service has with what it acknowledged.
async fn examine(service: &Llasta, ledger: &Ledger, fillers: usize, damage: &mut Damage) {
    let known = ledger.lock().unwrap().clone();
    let mut there = fillers;
    for (group, known) in &known {
        let query = json!({"query": group, "top_k": 50});
        let found = service.post("/search", &query).await;
        let mut versions = BTreeMap::new();
        for result in found["results"].as_array().unwrap() {
            let id = result["id"].as_str().unwrap();
            if !id.starts_with(&format!("{group}-")) {
                continue;
            }
            let version = result["metadata"]["version"].as_u64().unwrap() as usize;
            if versions.insert(id.to_owned(), version).is_some() {
                damage.doubled += 1;
            }
        }
        there += versions.len();
        let newest = versions.values().copied().max().unwrap_or(0);
        if newest < known.acknowledged {
            damage.lost += 1;
        }
        if newest > known.sent {
            damage.invented += 1;
        }
        let whole = versions.len() == GROUP && versions.values().all(|&version| version == newest);
        if !versions.is_empty() && !whole {
            damage.half_written += 1;
        }
    }
    let health = service.get("/health").await;
    for size in ["index_size", "metadata_size"] {
        let size = health[size].as_u64().unwrap() as usize;
        damage.doubled += size.saturating_sub(there);
        damage.lost += there.saturating_sub(size);
    }
}
