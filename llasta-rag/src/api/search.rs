//! faiss-wrap's face.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json::objects;
use crate::pipeline::{Item, Retrieval, SearchResult};
use crate::store::Filter;

/// The most results one search gives.
pub const MOST_RESULTS: usize = 50;

/// `POST /upsert`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpsertRequest {
    /// What is put in; an id that is there already is replaced.
    #[serde(deserialize_with = "objects")]
    pub items: Vec<Item>,
}

/// What `POST /upsert` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpsertResponse {
    /// Items of this request.
    pub upserted: usize,
    /// Items there are now.
    pub total_items: usize,
}

/// `POST /search`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchRequest {
    /// What is searched for; a blank text finds nothing.
    pub query: String,
    /// Results wanted; taken as at least 1 and at most 50.
    #[serde(default = "five")]
    pub top_k: i64,
    /// Which items it is searched among, by their metadata; without it all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// How it is searched; without it as the service was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrieval: Option<Retrieval>,
}

impl SearchRequest {
    /// A search as the service does it when nothing else is said.
    pub fn new(query: impl Into<String>, top_k: i64) -> Self {
        Self {
            query: query.into(),
            top_k,
            filter: None,
            retrieval: None,
        }
    }
}

fn five() -> i64 {
    5
}

/// What `POST /search` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchResponse {
    /// Best first.
    pub results: Vec<SearchResult>,
}

/// `POST /delete`: either ids or a filter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteRequest {
    /// Items by their names; one that is not there is passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
    /// Items by their metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// Of the items that the filter means, those that stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
}

/// What `POST /delete` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteResponse {
    /// Items that were there.
    pub deleted: usize,
    /// Items there are now.
    pub total_items: usize,
}

/// `POST /items`: what is stored, page by page, in the order in which it was first stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemsRequest {
    /// Which items, by their metadata; without it all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// Where the page begins: 0, or what the page before it says under `next`.
    #[serde(default)]
    pub after: u64,
    /// Items wanted; taken as at least 1 and at most 1000.
    #[serde(default = "a_page")]
    pub limit: usize,
}

/// The most items that one page of `POST /items` has.
pub const MOST_ITEMS: usize = 1000;

fn a_page() -> usize {
    MOST_ITEMS
}

/// What `POST /items` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemsResponse {
    /// One page of them.
    pub items: Vec<ItemName>,
    /// Where the next page begins; nothing behind the last one.
    pub next: Option<u64>,
    /// Items there are in all, whatever the filter means.
    pub total_items: usize,
}

/// An item without its text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemName {
    /// The caller's name for it.
    pub id: String,
    /// What the caller stored with it.
    pub metadata: Value,
}

/// What `POST /reset` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetResponse {
    /// For people.
    pub message: String,
    /// Always 0.
    pub total_items: usize,
}

/// What `GET /health` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexHealth {
    /// `ok`, or `loading` while the model and the index are not ready.
    pub status: String,
    /// The embedding model.
    pub model: String,
    /// Vectors in the index.
    pub index_size: usize,
    /// Entries in the store.
    pub metadata_size: usize,
    /// Dimensions of the vectors.
    pub embedding_dim: usize,
}
