//! faiss-wrap answers as section 5 of the contract says.

use axum::body::Body;
use llasta_rag::api::search::MOST_RESULTS;
use llasta_telemetry::testing::CapturedSpan;
use serde_json::{Value, json};

use crate::support::{Index, call, get, items, post, raw, settled};

fn ids(results: &[Value]) -> Vec<&str> {
    results
        .iter()
        .map(|result| result["id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn every_answer_has_exactly_the_fields_of_the_contract() {
    let index = Index::new();
    assert_eq!(
        index.upsert(&items()).await,
        json!({"upserted": 3, "total_items": 3})
    );

    let answer = call(&index.app, post("/search", &json!({"query": "port 4317"}))).await;
    let answer = answer.json();
    let result = &answer["results"][0];
    let score = result["score"].as_f64().unwrap();
    assert_eq!(
        *result,
        json!({
            "id": "ports", "text": "The collector listens on port 4317.",
            "metadata": {"source": "ports.pdf", "page": 3}, "score": score
        })
    );
    assert_eq!(answer.as_object().unwrap().len(), 1);

    let health = json!({
        "status": "ok", "model": "llasta/lexical-hash-1024", "index_size": 3, "metadata_size": 3,
        "embedding_dim": 1024
    });
    assert_eq!(index.health().await, health);

    let answer = call(&index.app, raw("POST", "/reset", None, Body::empty())).await;
    let reset = answer.json();
    assert!(reset["message"].is_string());
    assert_eq!(
        reset,
        json!({"message": reset["message"], "total_items": 0})
    );
    assert_eq!(index.health().await["index_size"], 0);
    assert_eq!(index.health().await["metadata_size"], 0);
    assert!(
        index
            .search(&json!({"query": "port 4317"}))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn the_same_id_replaces() {
    let index = Index::filled().await;
    let other = json!([{"id": "ports", "text": "Ships wait in the harbour."}]);
    assert_eq!(
        index.upsert(&other).await,
        json!({"upserted": 1, "total_items": 3})
    );
    let found = index
        .search(&json!({"query": "ships in the harbour"}))
        .await;
    assert_eq!(found[0]["id"], "ports");
    assert_eq!(found[0]["text"], "Ships wait in the harbour.");
    assert_eq!(found[0]["metadata"], json!({}));
    let found = index.search(&json!({"query": "collector port 4317"})).await;
    assert!(
        found
            .iter()
            .all(|result| result["text"] != "The collector listens on port 4317."),
        "{found:?}"
    );
}

#[tokio::test]
async fn top_k_is_five_unless_given_and_taken_as_one_to_fifty() {
    let index = Index::new();
    let many: Vec<_> = (0..60)
        .map(|n| json!({"id": format!("{n}"), "text": format!("the harbour, text {n}")}))
        .collect();
    index.upsert(&many.into()).await;
    for (top_k, expected) in [
        (json!(0), 1),
        (json!(-3), 1),
        (json!(i64::MIN), 1),
        (json!(1), 1),
        (json!(7), 7),
        (json!(50), MOST_RESULTS),
        (json!(51), 50),
        (json!(1000), 50),
        (json!(i64::MAX), 50),
    ] {
        let found = index
            .search(&json!({"query": "harbour", "top_k": top_k}))
            .await;
        assert_eq!(found.len(), expected, "top_k {top_k}");
    }
    assert_eq!(index.search(&json!({"query": "harbour"})).await.len(), 5);
}

#[tokio::test]
async fn the_best_result_is_first_and_scores_are_cosines() {
    let index = Index::filled().await;
    let same = "The collector listens on port 4317.";
    for query in [
        same,
        "cats and collectors",
        "the day in April, the invoice, a port",
        "?",
    ] {
        let found = index.search(&json!({"query": query, "top_k": 50})).await;
        let scores: Vec<_> = found
            .iter()
            .map(|result| result["score"].as_f64().unwrap())
            .collect();
        assert!(scores.is_sorted_by(|a, b| a >= b), "{query}: {scores:?}");
        assert!(
            scores.iter().all(|score| (-1.0..=1.0).contains(score)),
            "{query}: {scores:?}"
        );
    }
    let found = index.search(&json!({"query": same})).await;
    assert_eq!(found[0]["id"], "ports");
    assert!(found[0]["score"].as_f64().unwrap() > 0.99, "{found:?}");
}

#[tokio::test]
async fn a_blank_query_finds_nothing_and_is_a_search() {
    let index = Index::filled().await;
    for query in ["", " ", "\n\t\u{a0}"] {
        assert!(index.search(&json!({ "query": query })).await.is_empty());
    }
    assert_eq!(index.seen.counter("faiss_wrap_search_total"), Some(3));
    assert_eq!(
        index
            .seen
            .counter("faiss_wrap_search_results_count_bucket{le=\"0.0\"}"),
        Some(3)
    );
    assert_eq!(
        index.seen.counter("faiss_wrap_search_results_total"),
        Some(0)
    );
}

#[tokio::test]
async fn metadata_comes_back_as_it_went_in() {
    let index = Index::new();
    let deep = json!({
        "null": null, "yes": true, "whole": -7, "large": 18_446_744_073_709_551_615_u64,
        "part": 0.1, "text": "ä \u{1F600} \"quoted\"\n", "list": [1, [2, {"three": []}], null],
        "nested": {"": {"deeper": {"still": {}}}}
    });
    index
        .upsert(&json!([
            {"id": "deep", "text": "harbour", "metadata": deep},
            {"id": "null", "text": "collector", "metadata": null},
            {"id": "none", "text": "invoice"},
            {"id": "list", "text": "lighthouse", "metadata": [1, {"two": 2}]},
            {"id": "text", "text": "anchor", "metadata": "a \"text\""},
            {"id": "number", "text": "compass", "metadata": -0.5},
            {"id": "false", "text": "rudder", "metadata": false},
            {"id": "ä \u{0}\u{1F600}", "text": "ships\u{0}\u{1F6A2}\r\n"}
        ]))
        .await;
    for (query, expected) in [
        ("harbour", deep),
        ("collector", json!({})),
        ("invoice", json!({})),
        ("lighthouse", json!([1, {"two": 2}])),
        ("anchor", json!("a \"text\"")),
        ("compass", json!(-0.5)),
        ("rudder", json!(false)),
    ] {
        let found = index.search(&json!({"query": query, "top_k": 1})).await;
        assert_eq!(found[0]["metadata"], expected, "{query}");
    }
    let found = index.search(&json!({"query": "ships", "top_k": 1})).await;
    assert_eq!(found[0]["id"], "ä \u{0}\u{1F600}");
    assert_eq!(found[0]["text"], "ships\u{0}\u{1F6A2}\r\n");
}

#[tokio::test]
async fn of_an_id_given_twice_the_last_wins() {
    let index = Index::new();
    let answer = index
        .upsert(&json!([{"id": "a", "text": "harbour"}, {"id": "a", "text": "invoice"}]))
        .await;
    assert_eq!(answer["total_items"], 1);
    let found = index.search(&json!({"query": "harbour invoice"})).await;
    assert_eq!(ids(&found), ["a"]);
    assert_eq!(found[0]["text"], "invoice");
}

#[tokio::test]
async fn a_search_is_four_spans_whose_times_lie_within_each_other() {
    let index = Index::filled().await;
    index.seen.take_spans();
    index
        .search(&json!({"query": "Where does the collector listen?", "top_k": 2}))
        .await;
    settled(&index.seen, "POST /search").await;
    let span = |name: &str| index.seen.span(name).unwrap();
    let within = |inner: &CapturedSpan, outer: &CapturedSpan| {
        assert_eq!(inner.parent_span_id.as_ref(), Some(&outer.span_id));
        assert_eq!(inner.trace_id, outer.trace_id);
        assert!(inner.start_unix_nano > outer.start_unix_nano);
        assert!(inner.end_unix_nano > inner.start_unix_nano);
        assert!(inner.end_unix_nano < outer.end_unix_nano);
    };
    let (server, search) = (span("POST /search"), span("faiss.search"));
    let (embed, look) = (span("faiss.embed_query"), span("faiss.index_search"));
    within(&search, &server);
    within(&embed, &search);
    within(&look, &search);
    assert!(embed.end_unix_nano < look.start_unix_nano);
    assert_eq!(search.int("faiss.results_count"), Some(2));
    assert_eq!(embed.int("embedding.text_length"), Some(32));
    assert_eq!(look.int("faiss.raw_results"), Some(2));
}

#[tokio::test]
async fn the_sizes_on_the_metrics_page_are_those_of_the_index() {
    let index = Index::filled().await;
    assert_eq!(index.seen.metric("faiss_wrap_index_size"), Some(3.0));
    assert_eq!(index.seen.metric("faiss_wrap_metadata_size"), Some(3.0));
    assert_eq!(
        index.seen.metric("faiss_wrap_embedding_dimension"),
        Some(1024.0)
    );
    call(&index.app, raw("POST", "/reset", None, Body::empty())).await;
    let page = call(&index.app, get("/metrics")).await;
    assert!(
        page.text.contains("\nfaiss_wrap_index_size 0\n"),
        "{page:?}"
    );
    assert!(page.text.contains("\nfaiss_wrap_metadata_size 0\n"));
}
