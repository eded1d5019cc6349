//! A collection in Milvus: who may open it, what it takes, and what it does when Milvus is away.

use std::sync::{Arc, Barrier};

use axum::http::StatusCode;
use llasta_rag::embed::LexicalEmbedder;
use llasta_rag::milvus::{MilvusError, MilvusItems, MilvusShelf};
use llasta_rag::pipeline::{Collection, Item, Shelf};
use llasta_rag::schema;
use llasta_rag::store::StoredItem;
use milvus::v2::prelude::{InsertRequest, UpsertRequest};
use milvus::v2::request::collection::CreateCollectionRequest;
use milvus::v2::{CollectionSchema, DataType, FieldData, FieldSchema};
use serde_json::json;

use crate::support::milvus::{
    Lite, client, config, config_of, index, opened, runtime, served, space,
};
use crate::support::{call, get, post, settled};

fn item(id: &str, text: &str) -> StoredItem {
    StoredItem {
        id: id.to_owned(),
        text: text.to_owned(),
        metadata: json!({}),
        vector: vec![1.0, 0.0],
    }
}

#[test]
fn several_may_make_a_collection_at_once_and_all_of_them_work_on_it() {
    let config = config();
    let barrier = Arc::new(Barrier::new(4));
    let openers: Vec<_> = (0..4)
        .map(|number| {
            let (config, barrier) = (config.clone(), Arc::clone(&barrier));
            std::thread::spawn(move || {
                let _runtime = runtime();
                barrier.wait();
                let items = MilvusItems::open(&config, &space("m")).unwrap();
                items.upsert(&[item(&number.to_string(), "t")]).unwrap();
                items
            })
        })
        .collect();
    for opener in openers {
        assert_eq!(opener.join().unwrap().index_name(), "FLAT");
    }
    let _runtime = runtime();
    let items = MilvusItems::open_existing(&config).unwrap();
    assert_eq!((items.count().unwrap(), items.space()), (4, &space("m")));
}

#[test]
fn vectors_of_another_model_are_refused_and_the_recorded_one_is_named() {
    let _runtime = runtime();
    let config = config();
    MilvusItems::open(&config, &space("first")).unwrap();
    let error = MilvusItems::open(&config, &space("second")).unwrap_err();
    let MilvusError::OtherSpace { recorded, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(*recorded, space("first"));
    assert!(error.to_string().contains("--milvus-collection"), "{error}");
    let mut wider = space("first");
    wider.dimension = 3;
    let error = MilvusItems::open(&config, &wider).unwrap_err();
    assert!(matches!(error, MilvusError::OtherSpace { .. }), "{error}");
}

#[test]
fn a_collection_of_something_else_is_refused_and_a_missing_one_is_named() {
    let _runtime = runtime();
    let config = config();
    let missing = MilvusItems::open_existing(&config).unwrap_err().to_string();
    assert!(missing.contains(&config.collection), "{missing}");
    tokio::runtime::Handle::current()
        .block_on(async {
            let schema = CollectionSchema::new()
                .add_field(
                    FieldSchema::new()
                        .name("pk")
                        .data_type(DataType::Int64)
                        .primary_key(true),
                )
                .add_field(
                    FieldSchema::new()
                        .name("v")
                        .data_type(DataType::FloatVector)
                        .dimension(2),
                );
            let request = CreateCollectionRequest::builder()
                .collection_name(&config.collection)
                .schema(schema)
                .build()?;
            let client = client(&config.url.to_string()).await?;
            client.create_collection(request).await
        })
        .unwrap();
    let error = MilvusItems::open(&config, &space("m")).unwrap_err();
    assert!(matches!(error, MilvusError::Foreign { .. }), "{error}");
}

#[test]
fn an_id_whose_key_another_id_has_is_refused_and_nothing_is_written() {
    let _runtime = runtime();
    let config = config();
    let items = MilvusItems::open(&config, &space("m")).unwrap();
    let key = i64::try_from(MilvusItems::key_of("a")).unwrap();
    // Nobody knows two such ids, so the other one is put there by hand.
    tokio::runtime::Handle::current()
        .block_on(async {
            let insert = InsertRequest::builder()
                .collection_name(&config.collection)
                .columns(vec![
                    FieldData::int64("key", vec![key]),
                    FieldData::varchar("id", vec!["stranger".to_owned()]),
                    FieldData::varchar("text", vec!["t".to_owned()]),
                    FieldData::varchar("words", vec!["t".to_owned()]),
                    FieldData::json("metadata", vec![json!({})]),
                    FieldData::array_varchar("facets", vec![vec![]]),
                    FieldData::float_vector("vector", vec![vec![0.0, 1.0]]),
                ])
                .build()?;
            let request = UpsertRequest::builder().insert(insert).build()?;
            let client = client(&config.url.to_string()).await?;
            client.upsert(request).await
        })
        .unwrap();
    let error = items.upsert(&[item("b", "t"), item("a", "t")]).unwrap_err();
    assert!(
        matches!(&error, MilvusError::KeyTaken { id, other } if id == "a" && other == "stranger"),
        "{error}"
    );
    assert_eq!(items.count().unwrap(), 1);
    // Nor is the stranger deleted under a name that is not its own.
    assert_eq!(items.delete(&["a"]).unwrap(), 0);
    assert_eq!(items.count().unwrap(), 1);
}

#[test]
fn what_is_too_long_is_refused_before_anything_is_written() {
    let _runtime = runtime();
    let items = MilvusItems::open(&config(), &space("m")).unwrap();
    let error = items
        .upsert(&[item("a", "t"), item("b", &"t".repeat(65_536))])
        .unwrap_err();
    assert!(
        matches!(
            error,
            MilvusError::TooLong {
                what: "text",
                bytes: 65_536,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(items.count().unwrap(), 0);
    let longest = item("b", &"é".repeat(32_767));
    items.upsert(std::slice::from_ref(&longest)).unwrap();
    let found = items.items_after(0, 9).unwrap();
    assert_eq!(found, [(MilvusItems::key_of("b"), longest)]);
}

#[test]
fn answers_larger_than_the_client_takes_come_in_parts() {
    let _runtime = runtime();
    let items = MilvusItems::open(&config(), &space("m")).unwrap();
    let long = |number: usize| item(&number.to_string(), &"x".repeat(65_000));
    let all: Vec<_> = (0..150).map(long).collect();
    items.upsert(&all).unwrap();
    let keys: Vec<_> = (0..150)
        .map(|number| MilvusItems::key_of(&number.to_string()))
        .collect();
    let rows = items.get(&keys).unwrap();
    assert_eq!(rows.iter().map(|row| row.key).collect::<Vec<_>>(), keys);
    assert_eq!(items.vectors(&keys).unwrap().len(), 150);

    let items = MilvusItems::open(items.config(), &space("m")).unwrap();
    let (mut last, mut seen) = (0, 0);
    loop {
        let page = items.items_after(last, 100).unwrap();
        let Some((end, _)) = page.last() else { break };
        (last, seen) = (*end, seen + page.len());
    }
    assert_eq!(seen, 150);
}

#[test]
fn a_partition_has_its_items_by_itself() {
    let _runtime = runtime();
    let config = config();
    let whole = MilvusItems::open(&config, &space("m")).unwrap();
    let mut part = config;
    part.partition = Some("tenant_1".to_owned());
    let tenant = MilvusItems::open(&part, &space("m")).unwrap();
    tenant.upsert(&[item("a", "of the tenant")]).unwrap();
    assert_eq!((whole.count().unwrap(), tenant.count().unwrap()), (1, 1));
    part.partition = Some("tenant_2".to_owned());
    let other = MilvusItems::open(&part, &space("m")).unwrap();
    assert_eq!(other.search(&[&[1.0, 0.0]], 9, None).unwrap(), [[]]);
    assert!(other.search_text(&["tenant"], 9, None).unwrap().is_empty());
    let found = tenant.search_text(&["tenants"], 9, None).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(other.delete(&["a"]).unwrap(), 0);
    assert_eq!(tenant.get(&[MilvusItems::key_of("a")]).unwrap().len(), 1);
}

#[test]
fn a_collection_in_milvus_is_a_collection() {
    let _runtime = runtime();
    let folder = tempfile::tempdir().unwrap();
    let open = |config| {
        let embedder = Arc::new(LexicalEmbedder::default());
        Collection::open(&folder.path().join("data"), embedder, index(config))
    };
    let config = config();
    let collection = open(config.clone()).unwrap();
    let odd = [
        json!(null),
        json!([1, {"a": null}]),
        json!("text"),
        json!({"": 1}),
        json!({"a": 0.1, "big": u64::MAX}),
    ];
    let items = odd.iter().enumerate().map(|(at, metadata)| Item {
        id: format!("{at}\u{0}é"),
        text: format!("word{at} and a nul \u{0}"),
        metadata: metadata.clone(),
    });
    assert_eq!(collection.upsert(items.collect()).unwrap().total_items, 5);
    // Another process, which has seen none of this.
    let other = open(config).unwrap();
    let query = other.embed_query("word3").unwrap();
    let found = other
        .fetch(&other.search_vector(&query, 9).unwrap())
        .unwrap();
    assert_eq!((found.len(), other.len()), (5, 5));
    assert_eq!(
        (found[0].id.as_str(), found[0].text.as_str()),
        ("3\u{0}é", "word3 and a nul \u{0}")
    );
    for result in &found {
        let at: usize = result.id[..1].parse().unwrap();
        assert_eq!(result.metadata, odd[at]);
    }
    assert!(
        other
            .search_vector(&vec![0.0; query.len()], 5)
            .unwrap()
            .is_empty()
    );
    assert_eq!(collection.delete(&["3\u{0}é", "none"]).unwrap(), 1);
    assert_eq!(other.metadata_len().unwrap(), 4);
    collection.reset().unwrap();
    assert_eq!(other.metadata_len().unwrap(), 0);
    collection.save().unwrap();
    assert!(other.store().is_none() && !folder.path().join("data").exists());
    collection.prepare_text_search().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_to_milvus_stand_under_the_spans_of_the_contract() {
    let config = config();
    let (name, port) = (config.collection.clone(), config.url.port);
    let (app, seen) = served(opened(config).await);
    let items = json!({"items": [{"id": "a", "text": "one"}, {"id": "b", "text": "two"}]});
    assert_eq!(
        call(&app, post("/upsert", &items)).await.json()["total_items"],
        2
    );
    let answer = call(&app, post("/search", &json!({"query": "two"})))
        .await
        .json();
    assert_eq!(answer["results"][0]["id"], "b");
    let too_long = json!({"items": [{"id": "c", "text": "x".repeat(65_536)}]});
    let answer = call(&app, post("/upsert", &too_long)).await;
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{answer:?}"
    );
    assert!(answer.refusal().contains("65535"));
    let spans = settled(&seen, "POST /search").await;
    seen.take_spans();
    let hybrid = json!({"query": "two", "retrieval": "hybrid"});
    let answer = call(&app, post("/search", &hybrid)).await.json();
    assert_eq!(answer["results"][0]["id"], "b");
    let hybrid = settled(&seen, "POST /search").await;
    let under = |name: &str| {
        let above = hybrid.iter().find(|span| span.name == name).unwrap();
        let below = hybrid.iter();
        let below = below.filter(|span| span.parent_span_id.as_ref() == Some(&above.span_id));
        below.map(|span| span.name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(under("hybrid.text_search"), ["milvus.search"]);
    assert_eq!(under("faiss.index_search"), ["milvus.search"]);
    seen.assert_conforms(&schema::all());
    let parent = |name: &str| {
        let span = spans.iter().find(|span| span.name == name).unwrap();
        let above = spans
            .iter()
            .find(|above| Some(&above.span_id) == span.parent_span_id.as_ref());
        (span.clone(), above.unwrap().name.clone())
    };
    let (search, under) = parent("milvus.search");
    assert_eq!(
        (under.as_str(), search.kind),
        ("faiss.index_search", "CLIENT")
    );
    for (key, value) in [
        ("db.system.name", json!("milvus")),
        ("db.operation.name", json!("search")),
        ("db.collection.name", json!(name)),
        ("server.address", json!("127.0.0.1")),
        ("server.port", json!(port)),
        ("peer.service", json!("milvus")),
    ] {
        assert_eq!(
            search.attributes.get(key).map(|value| json!(value)),
            Some(value),
            "{key}"
        );
    }
    assert_eq!(parent("milvus.upsert").1, "POST /upsert");
    let (index, _) = parent("faiss.index_search");
    assert_eq!(index.text("faiss.index_type"), Some("Milvus/FLAT"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_milvus_is_away_requests_are_answered_503_and_afterwards_they_work() {
    let mut lite = tokio::task::spawn_blocking(Lite::start).await.unwrap();
    let mut config = config_of(&lite.url(), "kept");
    config.timeout = std::time::Duration::from_secs(3);
    let (app, _seen) = served(opened(config).await);
    let items = |id: &str| json!({"items": [{"id": id, "text": "some text"}]});
    call(&app, post("/upsert", &items("a"))).await.json();

    lite.kill();
    for request in [
        post("/search", &json!({"query": "text"})),
        post("/search", &json!({"query": "text", "retrieval": "hybrid"})),
        post("/upsert", &items("b")),
        post("/delete", &json!({"ids": ["a"]})),
        get("/health"),
    ] {
        let answer = call(&app, request).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
        assert!(answer.refusal().contains("cannot be reached"), "{answer:?}");
    }
    // The page of metrics does not wait for it.
    assert_eq!(call(&app, get("/metrics")).await.status, StatusCode::OK);

    let _lite = tokio::task::spawn_blocking(move || {
        lite.again();
        lite
    })
    .await
    .unwrap();
    assert_eq!(
        call(&app, post("/upsert", &items("c"))).await.json()["total_items"],
        2
    );
    for retrieval in ["dense", "hybrid"] {
        let body = json!({"query": "text", "retrieval": retrieval});
        let found = call(&app, post("/search", &body)).await.json();
        assert_eq!(found["results"].as_array().unwrap().len(), 2);
    }
    assert_eq!(call(&app, get("/health")).await.json()["index_size"], 2);
}

#[test]
fn without_a_milvus_the_error_says_where_it_was_looked_for() {
    let _runtime = runtime();
    let mut config = config_of("http://127.0.0.1:1", "c");
    config.timeout = std::time::Duration::from_millis(200);
    let error = MilvusShelf::open(&config, &space("m"))
        .map(|shelf| shelf.count())
        .unwrap_err();
    assert!(error.is_passing(), "{error}");
    assert!(error.to_string().contains("http://127.0.0.1:1"), "{error}");
}
