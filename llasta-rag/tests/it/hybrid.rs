//! Hybrid retrieval: by vectors and by words, and dense retrieval as it was.

use std::sync::Arc;

use llasta_rag::embed::LexicalEmbedder;
use llasta_rag::index::IndexKind;
use llasta_rag::pipeline::{Collection, Item, terms};
use llasta_rag::schema;
use llasta_telemetry::testing::{CapturedSpan, OtlpReceiver};
use serde_json::{Value, json};

use crate::support::{Checking, DEADLINE, Index, Llasta, call, items, nobody, post, settled};

fn names(spans: &[CapturedSpan]) -> Vec<&str> {
    let mut names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_hybrid_search_has_two_more_spans_and_keeps_to_its_schema() {
    let index = Index::filled().await;
    index.seen.take_spans();
    let body = json!({"query": "On which port?", "retrieval": "hybrid", "top_k": 2});
    let found = index.search(&body).await;
    assert_eq!(found[0]["id"], "ports");
    let spans = settled(&index.seen, "POST /search").await;
    assert_eq!(
        names(&spans),
        [
            "POST /search",
            "faiss.embed_query",
            "faiss.index_search",
            "faiss.search",
            "hybrid.fuse",
            "hybrid.text_search"
        ]
    );
    let span = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let search = span("faiss.search");
    for name in ["hybrid.text_search", "hybrid.fuse"] {
        assert_eq!(span(name).parent_span_id.as_ref(), Some(&search.span_id));
    }
    assert_eq!(search.int("faiss.top_k"), Some(2));
    assert_eq!(search.int("faiss.results_count"), Some(2));
    let text = span("hybrid.text_search");
    assert_eq!(
        (text.int("hybrid.terms"), text.int("hybrid.text_results")),
        (Some(1), Some(1))
    );
    let fuse = span("hybrid.fuse");
    assert_eq!(fuse.int("hybrid.dense_results"), Some(3));
    assert_eq!(fuse.int("hybrid.fused_results"), Some(3));
    index.seen.assert_conforms(&schema::all());
}

#[tokio::test]
async fn dense_is_what_happens_when_nothing_is_said() {
    let index = Index::filled().await;
    let body = json!({"query": "On which port?"});
    let usual = call(&index.app, post("/search", &body)).await.text;
    index.seen.take_spans();
    let body = json!({"query": "On which port?", "retrieval": "dense"});
    assert_eq!(call(&index.app, post("/search", &body)).await.text, usual);
    let spans = settled(&index.seen, "POST /search").await;
    assert!(
        spans.iter().all(|span| !span.name.starts_with("hybrid")),
        "{spans:?}"
    );

    let body = json!({"query": "port", "retrieval": "both"});
    let answer = call(&index.app, post("/search", &body)).await;
    assert_eq!(answer.status, 422);
    let refusal = answer.refusal();
    assert!(
        refusal.contains("retrieval") && refusal.contains("hybrid"),
        "{refusal}"
    );
}

#[tokio::test]
async fn scores_stay_cosines_and_filters_hold() {
    let index = Index::filled().await;
    let search = async |retrieval: &str, filter: Value| -> Vec<Value> {
        let mut body = json!({"query": "cats on port 4317", "top_k": 50, "retrieval": retrieval});
        if !filter.is_null() {
            body["filter"] = filter;
        }
        let mut found = index.search(&body).await;
        found.sort_by_key(|result| result["id"].to_string());
        found
    };
    // The same items with the same scores, in whatever order.
    assert_eq!(
        search("hybrid", Value::Null).await,
        search("dense", Value::Null).await
    );
    let only = json!({"source": "animals.md"});
    let found = search("hybrid", only.clone()).await;
    assert_eq!(found, search("dense", only).await);
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn no_query_is_syntax_and_a_blank_one_finds_nothing() {
    let index = Index::filled().await;
    for query in [
        "\"",
        "port AND",
        "NEAR(a b",
        "text : x",
        "*",
        "(",
        "a -b ^c",
        "OR",
        "\u{0}port",
        "{x} : y",
    ] {
        let body = json!({"query": query, "retrieval": "hybrid"});
        let answer = call(&index.app, post("/search", &body)).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
    }
    let body = json!({"query": " \n", "retrieval": "hybrid"});
    assert!(index.search(&body).await.is_empty());
}

#[test]
fn what_only_the_words_find_has_the_score_that_its_vector_gives() {
    let folder = tempfile::tempdir().unwrap();
    let embedder = Arc::new(LexicalEmbedder::new(128).unwrap());
    let collection = Collection::open(folder.path(), embedder, IndexKind::Exact).unwrap();
    let texts = [
        "Cats sleep all day.",
        "Port 4317 is open.",
        "The port of cats.",
    ];
    let items = texts.iter().map(|text| Item {
        id: (*text).to_owned(),
        text: (*text).to_owned(),
        metadata: json!({}),
    });
    collection.upsert(items.collect()).unwrap();
    let query = collection.embed_query("cats in port 4317").unwrap();
    let all = collection.search_vector(&query, 9).unwrap();
    let text = collection
        .search_text(&terms("cats in port 4317"), 9, None)
        .unwrap();
    assert_eq!(text.len(), 3);

    let (fused, different) = collection.fuse(&query, &all[..1], &text, 9).unwrap();
    assert_eq!((fused.len(), different), (3, 3));
    for neighbour in &fused {
        let dense = all.iter().find(|dense| dense.id == neighbour.id).unwrap();
        assert!(
            (dense.score - neighbour.score).abs() < 1e-6,
            "{neighbour:?} {dense:?}"
        );
    }
    let (best, _) = collection.fuse(&query, &[], &text, 1).unwrap();
    assert_eq!(best[0].id, text[0]);
    // What was deleted since is left out.
    collection.delete(&[texts[0]]).unwrap();
    assert_eq!(collection.fuse(&query, &[], &text, 9).unwrap().0.len(), 2);
}

#[tokio::test]
async fn llasta_check_knows_a_service_that_is_started_so() {
    let behind = OtlpReceiver::bind("127.0.0.1:0").await.unwrap();
    let endpoint = nobody();
    let data = tempfile::tempdir().unwrap();
    let settings = [
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "10"),
        ("DATA_DIR", data.path().to_str().unwrap()),
        ("RETRIEVAL", "hybrid"),
    ];
    let service = Llasta::serve(&["faiss-wrap"], &settings).await;
    let page = format!("{}/metrics", service.url);
    let forward = behind.endpoint();
    let check = Checking::start(&[
        "--otlp",
        &endpoint,
        "--metrics",
        &page,
        "--forward",
        &forward,
        "--format",
        "json",
    ])
    .await;
    service.post("/upsert", &json!({ "items": items() })).await;
    let found = service
        .post("/search", &json!({"query": "On which port?"}))
        .await;
    assert_eq!(found["results"][0]["id"], "ports");
    let there = |spans: &[CapturedSpan]| {
        let has = |name: &str| spans.iter().any(|span| span.name == name);
        has("POST /search") && has("hybrid.fuse") && has("POST /upsert")
    };
    let spans = behind.wait_until(there, DEADLINE).await;
    assert!(there(&spans), "{:?}", names(&spans));
    let ended = check.stop().await;
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["findings"], json!([]));
    ended.expect(0);
    service.stop().await;
}
