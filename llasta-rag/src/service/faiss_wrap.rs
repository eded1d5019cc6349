//! faiss-wrap: texts in, nearest texts out.
//!
//! A request that comes while the collection is still [`Opening`] waits for it.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use llasta_telemetry::Telemetry;
use llasta_telemetry::context::carry_fn;
use llasta_telemetry::http::TelemetryLayer;
use llasta_telemetry::schema::faiss::{EmbedQuery, IndexSearch, Search};
use llasta_telemetry::schema::faiss_wrap::FaissWrapMetrics;

use super::Opening;
use crate::api::search::{
    DeleteRequest, DeleteResponse, IndexHealth, ItemName, ItemsRequest, ItemsResponse, MOST_ITEMS,
    MOST_RESULTS, ResetResponse, SearchRequest, SearchResponse, UpsertRequest, UpsertResponse,
};
use crate::api::{ApiError, JsonBody, refuse_other_methods, refuse_others};
use crate::embed::EmbedError;
use crate::index::Neighbour;
use crate::pipeline::{
    Collection, CollectionError, DEPTH, Item, Retrieval, Scores, SearchResult, terms,
};
use crate::schema::hybrid::{Fuse, TextSearch};
use crate::store::Named;

/// What the handlers share.
#[derive(Debug)]
struct Service {
    opening: Opening,
    metrics: FaissWrapMetrics,
    retrieval: Retrieval,
}

/// How the service is set up.
#[derive(Debug, Clone, Copy)]
pub struct FaissWrapConfig {
    /// Largest body that is read.
    pub max_body_bytes: usize,
    /// How items are found where a request does not say it.
    pub retrieval: Retrieval,
}

impl From<usize> for FaissWrapConfig {
    /// Dense retrieval, with this as the largest body.
    fn from(max_body_bytes: usize) -> Self {
        Self {
            max_body_bytes,
            retrieval: Retrieval::Dense,
        }
    }
}

/// The service around a collection.
pub fn router(
    collection: impl Into<Opening>,
    telemetry: &Telemetry,
    config: impl Into<FaissWrapConfig>,
) -> Router {
    let FaissWrapConfig {
        max_body_bytes,
        retrieval,
    } = config.into();
    let opening = collection.into();
    let metrics = FaissWrapMetrics::register(telemetry.registry());
    let (gauges, sizes) = (metrics.clone(), opening.clone());
    telemetry.registry().before_page(move || {
        let Some(sizes) = sizes.collection() else {
            return;
        };
        gauges.index_size().set(as_gauge(sizes.len()));
        gauges
            .metadata_size()
            .set(as_gauge(sizes.known_metadata_len().unwrap_or_default()));
        gauges
            .embedding_dimension()
            .set(as_gauge(sizes.dimension()));
    });
    let layer = TelemetryLayer::new(telemetry, metrics.clone());
    let routes = Router::new()
        .route("/upsert", post(upsert))
        .route("/search", post(search))
        .route("/delete", post(delete))
        .route("/items", post(items))
        .route("/reset", post(reset))
        .route("/health", get(health));
    let router = refuse_others::<ApiError, _>(
        routes,
        "POST /upsert, POST /search, POST /delete, POST /items, POST /reset, GET /health and GET /metrics",
    );
    let router = router
        .with_state(Arc::new(Service {
            opening,
            metrics,
            retrieval,
        }))
        .layer(DefaultBodyLimit::max(max_body_bytes))
        .layer(layer)
        .merge(telemetry.metrics_route());
    refuse_other_methods::<ApiError, _>(router)
}

fn as_gauge(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

async fn upsert(
    State(service): State<Arc<Service>>,
    JsonBody(request): JsonBody<UpsertRequest>,
) -> Result<Json<UpsertResponse>, ApiError> {
    if request.items.is_empty() {
        return Err(ApiError::field(
            "items",
            "the list is empty: send at least one item with an id and a text",
        ));
    }
    for (at, item) in request.items.iter().enumerate() {
        check(at, item)?;
    }
    let collection = service.opening.ready().await;
    blocking(move || {
        let sent = request.items.len();
        let written = collection.upsert(request.items);
        let written = written.map_err(|error| service.refusal(error))?;
        service.metrics.upserts().add(sent as u64);
        Ok(Json(UpsertResponse {
            upserted: sent,
            total_items: written.total_items,
        }))
    })
    .await
}

fn check(at: usize, item: &Item) -> Result<(), ApiError> {
    if item.id.trim().is_empty() {
        return Err(ApiError::field(
            &format!("items[{at}].id"),
            "the id is blank: give every item a name of its own",
        ));
    }
    if item.text.trim().is_empty() {
        return Err(ApiError::field(
            &format!("items[{at}].text"),
            "the text is blank: there is nothing to search for",
        ));
    }
    Ok(())
}

async fn search(
    State(service): State<Arc<Service>>,
    JsonBody(request): JsonBody<SearchRequest>,
) -> Result<Json<SearchResponse>, ApiError> {
    let top_k = usize::try_from(request.top_k.max(1))
        .unwrap_or(MOST_RESULTS)
        .min(MOST_RESULTS);
    let results = if request.query.trim().is_empty() {
        Vec::new()
    } else {
        let collection = service.opening.ready().await;
        let retrieval = request.retrieval.unwrap_or(service.retrieval);
        let searched = Arc::clone(&service);
        blocking(move || {
            find(&collection, &request, retrieval, top_k).map_err(|error| searched.refusal(error))
        })
        .await?
    };
    service.metrics.searches().inc();
    service.metrics.search_results().add(results.len() as u64);
    service
        .metrics
        .search_results_count()
        .observe(results.len() as f64);
    Ok(Json(SearchResponse { results }))
}

/// One search, in the three spans of the contract, and two more where it is hybrid.
fn find(
    collection: &Collection,
    request: &SearchRequest,
    retrieval: Retrieval,
    top_k: usize,
) -> Result<Vec<SearchResult>, CollectionError> {
    let query = request.query.as_str();
    let depth = match retrieval {
        Retrieval::Dense => top_k,
        Retrieval::Hybrid => top_k.max(DEPTH),
    };
    let index = collection.index();
    let span = Search::start(top_k, index.len());
    span.query(query);
    let found = span.in_scope(|| {
        let vector = {
            let embedder = collection.embedder();
            let span = EmbedQuery::start(
                embedder.model(),
                embedder.dimension(),
                query.chars().count(),
            );
            // A model behind a server is asked within this span.
            span.in_scope(|| collection.embed_query(query))
                .inspect_err(|error| span.fail_with(error))
        }?;
        let neighbours = {
            let device = collection.device_for(depth, request.filter.is_some());
            let span = IndexSearch::start(index.len(), depth, index.factory(), device);
            // So is an index behind a server.
            let neighbours = span.in_scope(|| match &request.filter {
                None => collection.search_vector(&vector, depth),
                Some(filter) => collection.search_among(&vector, depth, filter),
            });
            let neighbours = neighbours.inspect_err(|error| span.fail_with(error))?;
            span.finish(neighbours.len());
            neighbours
        };
        let neighbours = match retrieval {
            Retrieval::Dense => neighbours,
            Retrieval::Hybrid => with_words(collection, request, &vector, &neighbours, top_k)?,
        };
        collection.fetch(&neighbours)
    });
    let found = found.inspect_err(|error| span.fail_with(error))?;
    if let Some(scores) = Scores::of(&found) {
        span.score_min(scores.min)
            .score_max(scores.max)
            .score_avg(scores.avg);
    }
    span.finish(found.len());
    Ok(found)
}

/// What the query's words find joins what its vector found.
fn with_words(
    collection: &Collection,
    request: &SearchRequest,
    vector: &[f32],
    dense: &[Neighbour],
    top_k: usize,
) -> Result<Vec<Neighbour>, CollectionError> {
    let terms = terms(&request.query);
    let text = {
        let span = TextSearch::start(terms.len());
        let depth = top_k.max(DEPTH);
        let text = span
            .in_scope(|| collection.search_text(&terms, depth, request.filter.as_ref()))
            .inspect_err(|error| span.fail_with(error))?;
        span.finish(text.len());
        text
    };
    let span = Fuse::start(dense.len(), text.len());
    let (fused, all) = span
        .in_scope(|| collection.fuse(vector, dense, &text, top_k))
        .inspect_err(|error| span.fail_with(error))?;
    span.finish(all);
    Ok(fused)
}

async fn delete(
    State(service): State<Arc<Service>>,
    JsonBody(request): JsonBody<DeleteRequest>,
) -> Result<Json<DeleteResponse>, ApiError> {
    let DeleteRequest { ids, filter, keep } = request;
    if ids.is_some() == filter.is_some() {
        return Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "say what to delete: either `ids` or a `filter`; everything goes with POST /reset",
        ));
    }
    if ids.as_ref().is_some_and(Vec::is_empty) {
        return Err(ApiError::field(
            "ids",
            "the list is empty: name at least one item",
        ));
    }
    if ids.is_some() && !keep.is_empty() {
        return Err(ApiError::field(
            "keep",
            "it goes with a `filter`: leave out of `ids` what is to stay",
        ));
    }
    let collection = service.opening.ready().await;
    blocking(move || {
        let deleted = match filter {
            Some(filter) => collection.delete_where(&filter, &keep),
            None => collection.delete(&ids.unwrap_or_default()),
        };
        Ok(Json(DeleteResponse {
            deleted: deleted.map_err(refusal)?,
            total_items: collection.metadata_len().map_err(refusal)?,
        }))
    })
    .await
}

async fn items(
    State(service): State<Arc<Service>>,
    JsonBody(request): JsonBody<ItemsRequest>,
) -> Result<Json<ItemsResponse>, ApiError> {
    let collection = service.opening.ready().await;
    blocking(move || {
        let limit = request.limit.clamp(1, MOST_ITEMS);
        let listed = collection
            .list(request.filter.as_ref(), request.after, limit)
            .map_err(refusal)?;
        let last = listed.last().map(|named| named.key);
        Ok(Json(ItemsResponse {
            next: last.filter(|_| listed.len() == limit),
            items: listed
                .into_iter()
                .map(|Named { id, metadata, .. }| ItemName { id, metadata })
                .collect(),
            total_items: collection.metadata_len().map_err(refusal)?,
        }))
    })
    .await
}

async fn reset(State(service): State<Arc<Service>>) -> Result<Json<ResetResponse>, ApiError> {
    let collection = service.opening.ready().await;
    blocking(move || {
        collection.reset().map_err(refusal)?;
        Ok(Json(ResetResponse {
            message: "the index is empty".to_owned(),
            total_items: 0,
        }))
    })
    .await
}

/// 503 and `loading` until requests are answered at once, which is what a readiness probe wants, and 503
/// and `broken` when none will be any more.
async fn health(State(service): State<Arc<Service>>) -> Result<Response, ApiError> {
    let broken = service.opening.reason().is_some();
    let opened = service.opening.collection().filter(|_| !broken);
    let Some(collection) = opened else {
        let status = if broken { "broken" } else { "loading" };
        let loading = IndexHealth {
            status: status.to_owned(),
            model: service.opening.model().to_owned(),
            index_size: 0,
            metadata_size: 0,
            embedding_dim: 0,
        };
        return Ok((StatusCode::SERVICE_UNAVAILABLE, Json(loading)).into_response());
    };
    let health = blocking(move || {
        Ok(IndexHealth {
            status: "ok".to_owned(),
            model: collection.embedder().model().to_owned(),
            index_size: collection.len(),
            metadata_size: collection.metadata_len().map_err(refusal)?,
            embedding_dim: collection.dimension(),
        })
    });
    Ok(Json(health.await?).into_response())
}

/// Embedding, searching and writing take the time of a core: never on a thread that serves sockets.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::task::spawn_blocking(carry_fn(work)).await {
        Ok(result) => result,
        Err(error) => Err(ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the work broke off: {error}"),
        )),
    }
}

impl Service {
    /// What is said of an error, which may be the end of the service.
    fn refusal(&self, error: CollectionError) -> ApiError {
        if let CollectionError::Embed(EmbedError::Lost { .. }) = error {
            self.opening.broke(error.to_string());
        }
        refusal(error)
    }
}

fn refusal(error: CollectionError) -> ApiError {
    match error {
        // Not a failure of the service, or not for long: whoever asks can come again.
        CollectionError::Embed(EmbedError::Busy { .. } | EmbedError::Lost { .. }) => {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
        CollectionError::Milvus(ref passing) if passing.is_passing() => {
            tracing::warn!(%error, "Milvus does not answer");
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
        CollectionError::NoTextSearch { .. } => {
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
        }
        CollectionError::Milvus(ref refused) if refused.is_of_the_request() => {
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
        }
        error => ApiError::internal(&error),
    }
}
