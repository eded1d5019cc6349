//! The steps of retrieval and of building a prompt, each a function of its own.
//!
//! Callers put the steps together and measure each: embed the query, search the vectors, fetch the
//! texts; filter the results, build the context, insert it. All of them compute or read the disk and
//! none is async: from async code call them where blocking is allowed.
//!
//! In reading order:
//! - [`Item`] and [`SearchResult`]: what goes in and out (this file);
//! - `collection.rs`: [`Collection`], the store, the index and the embedder as one;
//! - `context.rs`: [`filter`], [`build_context`], [`insert_context`] and [`disable_thinking`];
//! - `scores.rs`: [`Scores`], what is said of them.

mod collection;
mod context;
mod scores;

pub use self::collection::{Collection, CollectionError, Upserted};
pub use self::context::{Context, build_context, disable_thinking, filter, insert_context};
pub use self::scores::Scores;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::chunk::Chunk;

/// A text to be found again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The caller's name for it; the same id replaces.
    pub id: String,
    /// What is embedded and returned.
    pub text: String,
    /// Whatever the caller wants back with it. `source` and `page` show in a prompt. Null is nothing.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub metadata: Map<String, Value>,
}

fn null_is_empty<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Map<String, Value>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl From<Chunk> for Item {
    fn from(chunk: Chunk) -> Self {
        Self {
            id: chunk.id,
            text: chunk.text,
            metadata: chunk.metadata,
        }
    }
}

/// A text that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchResult {
    /// The caller's name for it.
    pub id: String,
    /// The text that was embedded.
    pub text: String,
    /// What the caller stored with it.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// Its cosine similarity to the query.
    pub score: f32,
}
