//! Searching among some items, listing them and deleting them.

use serde_json::{Value, json};

use crate::support::{Answer, Index, call, post, settled};

/// Two documents with two pages each, and a text of no document.
async fn filled() -> Index {
    let index = Index::new();
    let page = |source: &str, page: u64| {
        json!({
            "id": format!("{source}#{page}"),
            "text": format!("The harbour of {source} on page {page}."),
            "metadata": {"source": source, "page": page, "draft": page == 2}
        })
    };
    let items = json!([
        page("a.pdf", 1),
        page("a.pdf", 2),
        page("b.pdf", 1),
        page("b.pdf", 2),
        {"id": "loose", "text": "The harbour."}
    ]);
    index.upsert(&items).await;
    index
}

async fn ask(index: &Index, path: &str, body: &Value) -> Answer {
    call(&index.app, post(path, body)).await
}

fn sorted(listed: &Value) -> Vec<String> {
    let ids = listed.as_array().unwrap().iter();
    let mut ids: Vec<_> = ids
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

async fn stored(index: &Index) -> Vec<String> {
    sorted(&ask(index, "/items", &json!({})).await.json()["items"])
}

#[tokio::test]
async fn a_search_with_a_filter_finds_only_what_is_meant_and_as_many_as_asked_for() {
    let index = filled().await;
    for (filter, expected) in [
        (json!({"source": "a.pdf"}), &["a.pdf#1", "a.pdf#2"][..]),
        (json!({"page": [2, 3]}), &["a.pdf#2", "b.pdf#2"]),
        (json!({"source": "b.pdf", "draft": false}), &["b.pdf#1"]),
        (json!({"source": "none"}), &[]),
    ] {
        let body = json!({"query": "harbour on a page", "top_k": 50, "filter": filter});
        let found = index.search(&body).await;
        assert_eq!(sorted(&Value::from(found)), expected, "{filter}");
    }
    index.seen.take_spans();
    // The nearest of all is not among those that are meant.
    let body = json!({"query": "The harbour of a.pdf on page 1.", "top_k": 1,
        "filter": {"source": "b.pdf"}});
    let found = index.search(&body).await;
    assert_eq!(found[0]["metadata"]["source"], "b.pdf");

    settled(&index.seen, "POST /search").await;
    let span = index.seen.span("faiss.index_search").unwrap();
    assert_eq!(span.int("faiss.index_size"), Some(5));
}

#[tokio::test]
async fn items_are_deleted_by_name_and_stay_deleted() {
    let index = filled().await;
    let body = json!({"ids": ["a.pdf#1", "none", "loose", "loose"]});
    let answer = ask(&index, "/delete", &body).await.json();
    assert_eq!(answer, json!({"deleted": 2, "total_items": 3}));
    assert_eq!(stored(&index).await, ["a.pdf#2", "b.pdf#1", "b.pdf#2"]);
    let found = index
        .search(&json!({"query": "the harbour", "top_k": 50}))
        .await;
    assert_eq!(found.len(), 3);
    let health = index.health().await;
    assert_eq!(
        (&health["index_size"], &health["metadata_size"]),
        (&json!(3), &json!(3))
    );
    let count = "faiss_wrap_requests_total{endpoint=\"delete\",status=\"success\"}";
    assert_eq!(index.seen.counter(count), Some(1));
}

#[tokio::test]
async fn items_are_deleted_by_their_metadata_except_those_that_are_kept() {
    let index = filled().await;
    let body = json!({"filter": {"source": "a.pdf"}, "keep": ["a.pdf#2", "b.pdf#1"]});
    let answer = ask(&index, "/delete", &body).await.json();
    assert_eq!(answer, json!({"deleted": 1, "total_items": 4}));
    let body = json!({"filter": {"page": [1, 2], "source": ["a.pdf", "b.pdf"]}});
    let answer = ask(&index, "/delete", &body).await.json();
    assert_eq!(answer, json!({"deleted": 3, "total_items": 1}));
    assert_eq!(stored(&index).await, ["loose"]);
}

#[tokio::test]
async fn a_listing_comes_in_pages_with_the_metadata() {
    let index = filled().await;
    let first = ask(&index, "/items", &json!({"limit": 3})).await.json();
    assert_eq!(first["total_items"], 5);
    let item = json!({"id": "a.pdf#1", "metadata": {"source": "a.pdf", "page": 1, "draft": false}});
    assert_eq!(first["items"][0], item);
    let next = json!({"limit": 3, "after": first["next"]});
    let second = ask(&index, "/items", &next).await.json();
    assert_eq!(sorted(&second["items"]), ["b.pdf#2", "loose"]);
    assert_eq!(second["next"], Value::Null);

    let body = json!({"filter": {"draft": true}});
    let drafts = ask(&index, "/items", &body).await.json();
    assert_eq!(sorted(&drafts["items"]), ["a.pdf#2", "b.pdf#2"]);
}

#[tokio::test]
async fn a_filter_or_a_deletion_that_means_nothing_is_refused_and_changes_nothing() {
    let index = filled().await;
    for (path, body, says) in [
        (
            "/search",
            json!({"query": "a", "filter": {}}),
            "at least one",
        ),
        (
            "/search",
            json!({"query": "a", "filter": "a.pdf"}),
            "give an object",
        ),
        (
            "/search",
            json!({"query": "a", "filter": {"page": {"from": 1}}}),
            "an object",
        ),
        (
            "/search",
            json!({"query": "a", "filter": {"page": []}}),
            "leave the key out",
        ),
        ("/items", json!({"filter": {"page": null}}), "null"),
        ("/items", json!({"limit": -1}), "limit"),
        ("/delete", json!({"filter": {}}), "at least one"),
        ("/delete", json!({}), "either `ids` or a `filter`"),
        ("/delete", json!({"ids": []}), "ids: the list is empty"),
        (
            "/delete",
            json!({"ids": ["loose"], "filter": {"page": 1}}),
            "either",
        ),
        (
            "/delete",
            json!({"ids": ["loose"], "keep": ["a"]}),
            "keep: ",
        ),
        ("/delete", json!({"ids": [7]}), "ids[0]"),
    ] {
        let answer = ask(&index, path, &body).await;
        assert_eq!(answer.status, 422, "{body}: {answer:?}");
        let refusal = answer.refusal();
        assert!(refusal.contains(says), "{body}: {refusal}");
        // Of a filter it says that it is the filter.
        assert!(
            body.get("filter").is_none() || says == "either" || refusal.contains("filter: "),
            "{refusal}"
        );
    }
    assert_eq!(stored(&index).await.len(), 5);
}
