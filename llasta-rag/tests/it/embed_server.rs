//! A model behind a server with `OpenAI`'s embeddings API.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use llasta_rag::embed::{EmbedError, Embedder, OpenAiEmbedder, OpenAiOptions};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use llasta_rag::index::IndexKind;
use llasta_rag::pipeline::Collection;
use llasta_rag::service::{MAX_BODY_BYTES, Opening, faiss_wrap};
use llasta_telemetry::testing::Recorder;

use crate::support::{Llasta, Served, call, get, items, nobody, post, settled};

type Answer = fn(&Value) -> Response;

#[derive(Clone, Debug)]
struct Server {
    answer: Answer,
    requests: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
}

async fn embeddings(
    State(server): State<Server>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let answer = (server.answer)(&body);
    server.requests.lock().unwrap().push((headers, body));
    answer
}

async fn serve(answer: Answer) -> (Served, Server) {
    let server = Server {
        answer,
        requests: Arc::default(),
    };
    let app = Router::new()
        .route("/v1/embeddings", axum::routing::post(embeddings))
        .with_state(server.clone());
    (Served::new(app).await, server)
}

/// Of each text the vector (length, 1), the last text first.
fn backwards(body: &Value) -> Response {
    let texts = body["input"].as_array().unwrap();
    let items = texts.iter().enumerate().rev().map(|(index, text)| {
        let length = text.as_str().unwrap().len();
        json!({"object": "embedding", "index": index, "embedding": [length, 1]})
    });
    let items: Vec<_> = items.collect();
    Json(json!({"object": "list", "data": items, "model": "m"})).into_response()
}

async fn connect(url: &str) -> Result<OpenAiEmbedder, EmbedError> {
    let options = OpenAiOptions {
        api_key: Some("secret".to_owned()),
        batch: 2,
        ..OpenAiOptions::new(url, "some/model")
    };
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || OpenAiEmbedder::connect(options, runtime))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vectors_come_in_the_order_of_the_texts_in_batches_and_of_length_one() {
    let (served, server) = serve(backwards).await;
    // With or without the path that OpenAI's own clients want.
    let embedder = connect(&format!("{}/v1/", served.url)).await.unwrap();
    assert_eq!((embedder.model(), embedder.dimension()), ("some/model", 2));
    let texts = ["a", " ", "bb", "cccc"];
    let vectors = tokio::task::spawn_blocking(move || embedder.embed(&texts))
        .await
        .unwrap();
    let vectors = vectors.unwrap();
    assert_eq!(
        vectors[1],
        [0.0, 0.0],
        "nothing is asked about a text that says nothing"
    );
    for (vector, length) in [
        (&vectors[0], 1.0_f32),
        (&vectors[2], 2.0),
        (&vectors[3], 4.0),
    ] {
        assert!((vector[0] / vector[1] - length).abs() < 1e-5, "{vector:?}");
        assert!(
            (vector[0].hypot(vector[1]) - 1.0).abs() < 1e-5,
            "{vector:?}"
        );
    }
    let requests = server.requests.lock().unwrap();
    let inputs: Vec<_> = requests
        .iter()
        .map(|(_, body)| body["input"].clone())
        .collect();
    assert_eq!(inputs[1..], [json!(["a", "bb"]), json!(["cccc"])]);
    for (headers, body) in requests.iter() {
        assert_eq!(headers["authorization"], "Bearer secret");
        assert_eq!(body["model"], "some/model");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_says_wrong_is_told_with_its_address() {
    fn answer(body: &Value) -> Response {
        let first = body["input"][0].as_str().unwrap();
        let vectors = |vectors: Value| Json(json!({"data": vectors})).into_response();
        match first {
            "refused" => {
                let message = json!({"error": {"message": "the input is too long"}});
                (StatusCode::BAD_REQUEST, Json(message)).into_response()
            }
            "page" => (StatusCode::BAD_GATEWAY, "<html>").into_response(),
            "words" => "no JSON".into_response(),
            "none" => vectors(json!([])),
            "many" => vectors(json!([{"embedding": [1, 0]}, {"embedding": [1, 0]}])),
            "short" => vectors(json!([{"embedding": [1]}])),
            _ => vectors(json!([{"embedding": [1, 0]}])),
        }
    }
    let (served, _) = serve(answer).await;
    let embedder = Arc::new(connect(&served.url).await.unwrap());
    for (text, said) in [
        ("refused", "the input is too long"),
        ("page", "502"),
        ("words", "cannot be read"),
        ("none", "0 vectors for 1 texts"),
        ("many", "2 vectors for 1 texts"),
        ("short", "1 components"),
    ] {
        let embedder = Arc::clone(&embedder);
        let error = tokio::task::spawn_blocking(move || embedder.embed(&[text]))
            .await
            .unwrap()
            .unwrap_err();
        let message = error.to_string();
        assert!(message.contains(said), "{text}: {message}");
        assert!(message.contains(&served.url), "{text}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_is_named_with_the_setting() {
    let url = nobody();
    let message = connect(&url).await.unwrap_err().to_string();
    assert!(message.contains(&url), "{message}");
    assert!(message.contains("--embed-base-url"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_request_to_the_server_is_part_of_the_trace_under_the_query_that_it_embeds() {
    let (served, server) = serve(backwards).await;
    let embedder = Arc::new(connect(&served.url).await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let collection = Collection::open(folder.path(), embedder, IndexKind::Exact).unwrap();
    let seen = Recorder::builder("faiss-wrap").build();
    let app = faiss_wrap::router(Arc::new(collection), seen.telemetry(), MAX_BODY_BYTES);
    call(&app, post("/upsert", &json!({"items": items()}))).await;
    let answer = call(&app, post("/search", &json!({"query": "port 4317"}))).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let spans = settled(&seen, "POST /search").await;
    let embed = spans.iter().find(|span| span.name == "faiss.embed_query");
    let embed = embed.unwrap();
    let request = spans
        .iter()
        .find(|span| span.parent_span_id.as_ref() == Some(&embed.span_id));
    let request = request.unwrap_or_else(|| panic!("no request under it: {spans:#?}"));
    assert_eq!(request.name, "POST /v1/embeddings");
    let requests = server.requests.lock().unwrap();
    let (headers, _) = requests.last().unwrap();
    let parent = headers["traceparent"].to_str().unwrap();
    assert!(parent.contains(&request.span_id), "{parent}");
}

/// A model that fails in one way.
#[derive(Debug)]
struct Failing(fn() -> EmbedError);

impl Embedder for Failing {
    fn model(&self) -> &str {
        "failing"
    }

    fn dimension(&self) -> usize {
        2
    }

    fn embed(&self, _texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        Err((self.0)())
    }
}

/// What is answered where the model fails so, of a search and of an upsert.
async fn refused_503(folder: &Path, failure: fn() -> EmbedError, said: &str) -> (Router, Opening) {
    let model = Arc::new(Failing(failure));
    let collection = Collection::open(folder, model, IndexKind::Exact).unwrap();
    let opening = Opening::from(Arc::new(collection));
    let seen = Recorder::builder("faiss-wrap").build();
    let app = faiss_wrap::router(opening.clone(), seen.telemetry(), MAX_BODY_BYTES);
    for request in [
        post("/search", &json!({"query": "port 4317"})),
        post("/upsert", &json!({"items": items()})),
    ] {
        let answer = call(&app, request).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
        assert!(answer.refusal().contains(said), "{answer:?}");
    }
    (app, opening)
}

#[tokio::test]
async fn a_model_that_is_busy_is_answered_503() {
    let folder = tempfile::tempdir().unwrap();
    let busy = || EmbedError::Busy { waiting: 7 };
    let (app, opening) = refused_503(folder.path(), busy, "busy: 7 calls").await;
    assert_eq!(call(&app, get("/health")).await.status, StatusCode::OK);
    assert_eq!(opening.reason(), None);
}

#[tokio::test]
async fn a_model_whose_gpu_is_lost_breaks_the_service_which_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let lost = || EmbedError::Lost {
        device: "cuda:0".to_owned(),
        message: "CUDA_ERROR_ASSERT".to_owned(),
    };
    let (app, opening) = refused_503(folder.path(), lost, "start the service again").await;
    let reason = opening.broken().await;
    assert!(
        reason.contains("cuda:0") && reason.contains("CUDA_ERROR_ASSERT"),
        "{reason}"
    );
    let health = call(&app, get("/health")).await;
    assert_eq!(health.status, StatusCode::SERVICE_UNAVAILABLE, "{health:?}");
    assert_eq!(health.json()["status"], "broken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binary_searches_with_a_models_own_vectors_and_with_a_servers() {
    let (served, _) = serve(backwards).await;
    let checkpoint = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/bert-tiny");
    let mut ways = vec![(
        vec![
            ("EMBED_BASE_URL", served.url.as_str()),
            ("EMBED_MODEL", "m"),
        ],
        2,
    )];
    if cfg!(feature = "candle") {
        ways.push((
            vec![("EMBED_BASE_URL", ""), ("EMBED_MODEL", checkpoint)],
            48,
        ));
    }
    for (mut environment, dimension) in ways {
        let folder = tempfile::tempdir().unwrap();
        environment.push(("DATA_DIR", folder.path().to_str().unwrap()));
        let mut service = Llasta::serve(&["faiss-wrap"], &environment).await;
        service.line(|line| line["message"] == "ready").await;
        let health = service.get("/health").await;
        assert_eq!(health["embedding_dim"], dimension, "{health}");
        service.post("/upsert", &json!({"items": items()})).await;
        let query = json!({"query": "The invoice is due in April.", "top_k": 1});
        let found = service.post("/search", &query).await;
        let score = found["results"][0]["score"].as_f64().unwrap();
        assert!((score - 1.0).abs() < 1e-4, "{found}");
        service.stop().await;
    }
}
