//! What was acknowledged, kept in SQLite: ids, texts, metadata and vectors.
//!
//! The store is the truth and the [`index`](crate::index) is a cache of it: everything an index holds
//! can be read back from here. Each item has an integer key under which the index knows it; a key is
//! never given to another item, not even after a reset, so an old search result can miss its row but
//! not find a stranger's. Every change raises the store's generation by one, in the same transaction.
//!
//! One process owns a store at a time, by a lock on a file beside the database. Inside it writers wait
//! for one another, and readers wait for nobody (SQLite's write-ahead log).
//!
//! In reading order:
//! - [`VectorSpace`], [`StoredItem`], [`Row`], [`Written`]: what goes in and out (this file);
//! - `error.rs`: what can go wrong, and what to do about it;
//! - `open.rs`: the folder, the lock, the schema and the connections;
//! - `space.rs`: which model the vectors are of;
//! - `items.rs`: writing and reading items;
//! - `filter.rs`: [`Filter`], items by their metadata, and `listing.rs`: listing and deleting those;
//! - `text.rs`: items by their words;
//! - `transfer.rs`: everything as JSON Lines.

mod error;
mod filter;
mod items;
mod listing;
mod open;
mod space;
mod text;
mod transfer;

pub use self::error::StoreError;
pub use self::filter::{Filter, FilterError};
pub use self::listing::Named;
pub use self::open::Store;
#[cfg(feature = "milvus")]
pub(crate) use self::text::TOKENIZER;
pub use self::transfer::{Embed, TransferError};

use std::fmt;

use serde_json::Value;

/// What vectors can be compared with what others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VectorSpace {
    /// The embedding model's name.
    pub model: String,
    /// Components per vector.
    pub dimension: usize,
}

impl fmt::Display for VectorSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} components)", self.model, self.dimension)
    }
}

/// An item with its vector, to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredItem {
    /// The caller's name for it; the same id replaces.
    pub id: String,
    /// The text that was embedded.
    pub text: String,
    /// Whatever the caller wants back with it.
    pub metadata: Value,
    /// The text's vector.
    pub vector: Vec<f32>,
}

/// A stored item without its vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The key the index knows it by.
    pub key: u64,
    /// The caller's name for it.
    pub id: String,
    /// The text that was embedded.
    pub text: String,
    /// What the caller stored with it.
    pub metadata: Value,
}

/// What an upsert did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The store's generation since then.
    pub generation: u64,
    /// The items' keys, in the order in which the items were given.
    pub keys: Vec<u64>,
}
