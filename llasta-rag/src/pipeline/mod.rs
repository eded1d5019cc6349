//! The steps of retrieval and of building a prompt, each a function of its own.
//!
//! Callers put the steps together and measure each: embed the query, search the vectors, fetch the
//! texts; filter the results, build the context, insert it. All of them compute or read the disk and
//! none is async: from async code call them where blocking is allowed.
//!
//! In reading order:
//! - [`Item`] and [`SearchResult`]: what goes in and out (this file);
//! - `collection.rs`: [`Collection`], a shelf and the embedder as one;
//! - `shelf.rs`: [`Shelf`], what keeps items and finds them; `local.rs`, the store and the index of a folder;
//! - `hybrid.rs`: [`Retrieval`], [`terms`] and [`fuse`], search by words beside search by meaning;
//! - `context.rs`: [`filter`], [`build_context`], [`insert_context`] and [`disable_thinking`];
//! - `scores.rs`: [`Scores`], what is said of them.

mod collection;
mod context;
mod hybrid;
mod local;
mod scores;
mod shelf;

pub use self::collection::{Collection, CollectionError, Upserted};
pub use self::context::{
    Context, build_context, disable_thinking, filter, insert_context, passage,
};
pub use self::hybrid::{DEPTH, Retrieval, fuse, terms};
pub use self::scores::Scores;
pub use self::shelf::Shelf;

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
    /// Whatever the caller wants back with it, any JSON. `source` and `page` of an object show in a
    /// prompt. Null and nothing are the empty object.
    #[serde(default = "nothing", deserialize_with = "null_is_nothing")]
    pub metadata: Value,
}

fn nothing() -> Value {
    Value::Object(Map::new())
}

fn null_is_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(nothing))
}

impl From<Chunk> for Item {
    fn from(chunk: Chunk) -> Self {
        Self {
            id: chunk.id,
            text: chunk.text,
            metadata: Value::Object(chunk.metadata),
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
    /// What the caller stored with it, any JSON.
    #[serde(default = "nothing")]
    pub metadata: Value,
    /// Its cosine similarity to the query.
    pub score: f32,
}

impl SearchResult {
    /// Where it is from: the metadata's `source`, or the id where there is none.
    pub fn source(&self) -> &str {
        self.named("source").unwrap_or(&self.id)
    }

    /// The page it is on: the metadata's `page`, a whole number.
    pub fn page(&self) -> Option<u64> {
        self.metadata.get("page").and_then(Value::as_u64)
    }

    /// The title of what it is from: the metadata's `title`.
    pub fn title(&self) -> Option<&str> {
        self.named("title")
    }

    fn named(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).and_then(Value::as_str)
    }
}
