//! faiss-wrap answers as section 5 of the contract says, and refuses what it cannot work with.

use axum::body::Body;
use futures_util::StreamExt;
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
            {"id": "none", "text": "invoice"}
        ]))
        .await;
    for (query, expected) in [
        ("harbour", deep),
        ("collector", json!({})),
        ("invoice", json!({})),
    ] {
        let found = index.search(&json!({"query": query, "top_k": 1})).await;
        assert_eq!(found[0]["metadata"], expected, "{query}");
    }
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
async fn bad_input_is_refused_with_the_field_and_changes_nothing() {
    let index = Index::filled().await;
    let (health, found) = (
        index.health().await,
        index.search(&json!({"query": "port 4317"})).await,
    );
    let good = r#"{"id": "new", "text": "new"}"#;
    let json = Some("application/json");
    let cases = [
        ("/upsert", json, "{not json".to_owned(), 400, "not JSON"),
        ("/upsert", json, String::new(), 400, "not JSON"),
        ("/upsert", json, "{}".into(), 422, "`items`"),
        ("/upsert", json, "[]".into(), 422, "expected an object"),
        (
            "/upsert",
            json,
            format!("[[{good}]]"),
            422,
            "expected an object",
        ),
        (
            "/upsert",
            json,
            r#"{"items": [["a", "text"]]}"#.into(),
            422,
            "items[0]",
        ),
        ("/upsert", json, r#"{"items": []}"#.into(), 422, "items"),
        ("/upsert", json, r#"{"items": {}}"#.into(), 422, "items"),
        ("/upsert", json, r#"{"items": [7]}"#.into(), 422, "items[0]"),
        (
            "/upsert",
            json,
            format!(r#"{{"items": [{good}, {{"id": "x"}}]}}"#),
            422,
            "items[1]: missing field `text`",
        ),
        (
            "/upsert",
            json,
            format!(r#"{{"items": [{good}, {{"text": "x"}}]}}"#),
            422,
            "items[1]: missing field `id`",
        ),
        (
            "/upsert",
            json,
            r#"{"items": [{"id": "x", "text": 7}]}"#.into(),
            422,
            "items[0].text",
        ),
        (
            "/upsert",
            json,
            format!(r#"{{"items": [{good}, {{"id": null, "text": "x"}}]}}"#),
            422,
            "items[1].id",
        ),
        (
            "/upsert",
            json,
            format!(r#"{{"items": [{good}, {{"id": " ", "text": "x"}}]}}"#),
            422,
            "items[1].id",
        ),
        (
            "/upsert",
            json,
            format!(r#"{{"items": [{good}, {{"id": "x", "text": "\n"}}]}}"#),
            422,
            "items[1].text",
        ),
        (
            "/upsert",
            json,
            r#"{"items": [{"id": "x", "text": "x", "metadata": ["x"]}]}"#.into(),
            422,
            "items[0].metadata",
        ),
        (
            "/upsert",
            None,
            format!(r#"{{"items": [{good}]}}"#),
            415,
            "Content-Type",
        ),
        (
            "/upsert",
            Some("text/plain"),
            format!(r#"{{"items": [{good}]}}"#),
            415,
            "application/json",
        ),
        ("/search", json, "{}".into(), 422, "`query`"),
        ("/search", json, r#"{"query": null}"#.into(), 422, "query"),
        ("/search", json, r#"{"query": ["a"]}"#.into(), 422, "query"),
        (
            "/search",
            json,
            r#"{"query": "a", "top_k": "many"}"#.into(),
            422,
            "top_k",
        ),
        (
            "/search",
            json,
            r#"{"query": "a", "top_k": 2.5}"#.into(),
            422,
            "top_k",
        ),
        ("/search", json, "\"a\"".into(), 422, "expected an object"),
        ("/search", json, "[\"a\"]".into(), 422, "expected an object"),
    ];
    for (path, content_type, body, status, names) in cases {
        let request = raw("POST", path, content_type, Body::from(body.clone()));
        let answer = call(&index.app, request).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        let refusal = answer.refusal();
        assert!(refusal.contains(names), "{body}: {refusal}");
    }
    assert_eq!(index.health().await, health);
    assert_eq!(index.search(&json!({"query": "port 4317"})).await, found);
    assert_eq!(index.seen.counter("faiss_wrap_upserts_total"), Some(3));
    assert_eq!(index.seen.counter("faiss_wrap_search_total"), Some(2));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let body = r#"{"items": [{"id": "a", "text": "b"}]}"#;
    let json = Some("application/json");
    let index = Index::with_limit(body.len());
    let answer = call(
        &index.app,
        raw("POST", "/upsert", json, Body::from(format!("{body} "))),
    )
    .await;
    assert_eq!(answer.status, 413);
    assert!(answer.refusal().contains("--max-body-bytes"), "{answer:?}");
    assert_eq!(index.health().await["index_size"], 0);

    // A body whose length nobody says beforehand.
    let pieces = futures_util::stream::iter(vec!["x"; 60]).map(Ok::<_, std::io::Error>);
    let answer = call(
        &index.app,
        raw("POST", "/upsert", json, Body::from_stream(pieces)),
    )
    .await;
    assert_eq!(answer.status, 413, "{answer:?}");

    let answer = call(&index.app, raw("POST", "/upsert", json, Body::from(body))).await;
    assert_eq!(answer.json()["upserted"], 1);
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_are_refused_like_anything_else() {
    let index = Index::new();
    for path in ["/", "/nothing", "/search/", "/SEARCH", "/upsert/more"] {
        let answer = call(&index.app, post(path, &json!({}))).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.refusal().contains("POST /upsert"), "{answer:?}");
    }
    for (method, path, allowed) in [
        ("GET", "/search", "POST"),
        ("DELETE", "/upsert", "POST"),
        ("POST", "/health", "GET,HEAD"),
        ("PUT", "/metrics", "GET,HEAD"),
    ] {
        let answer = call(&index.app, raw(method, path, None, Body::empty())).await;
        assert_eq!(answer.status, 405, "{method} {path}");
        assert_eq!(answer.header("allow"), allowed);
        assert!(answer.refusal().contains("Allow"), "{answer:?}");
    }
    let count = |status: &str| {
        index.seen.counter(&format!(
            "faiss_wrap_requests_total{{endpoint=\"unmatched\",status=\"{status}\"}}"
        ))
    };
    assert_eq!((count("success"), count("error")), (Some(5), Some(0)));
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
