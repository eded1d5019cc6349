//! faiss-wrap refuses what it cannot work with, says why, and changes nothing.

use axum::body::Body;
use futures_util::StreamExt;
use serde_json::json;

use crate::support::{Index, call, post, raw};

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
