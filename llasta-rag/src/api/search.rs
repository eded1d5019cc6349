//! faiss-wrap's face.

use serde::{Deserialize, Serialize};

use crate::json::objects;
use crate::pipeline::{Item, SearchResult};

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
