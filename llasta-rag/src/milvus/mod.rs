//! Items in Milvus, a database of vectors that runs on many machines.
//!
//! One Milvus collection holds everything: ids, texts, metadata and vectors. Nothing is kept beside it, so
//! any number of processes may work on one collection, and none of them owns a file.
//!
//! | field | type | what |
//! |---|---|---|
//! | `key` | Int64, primary | the first 63 bits of the SHA-256 of the id, so that an id has one place |
//! | `id`, `text` | `VarChar` | as given, at most 65,535 bytes each |
//! | `metadata` | JSON | as given, at most 65,536 bytes; what is no object stands in one, under an empty key |
//! | `facets` | Array of `VarChar` | a digest of each key and value by which a [`Filter`](crate::store::Filter) may ask |
//! | `vector` | `FloatVector` | compared by inner product |
//! | `words` | `VarChar` | the words of the text between spaces, as the store of one machine takes them |
//! | `bm25` | `SparseFloatVector` | made of `words` by Milvus, which searches it by BM25 |
//!
//! Which model the vectors are of, and which version the fields have, stands in the collection's properties, and in its description.
//!
//! What the store of one machine does and a cluster does not: a request's items are written all or none
//! only up to 16 MiB of them, which go in one call; what a filter means is deleted in several calls; and
//! items come in the order of their keys, which says nothing of when they came.
//!
//! In reading order:
//! - `config.rs`: [`MilvusConfig`], where the cluster is and how it is asked;
//! - `error.rs`: [`MilvusError`], what can go wrong, and what to do about it;
//! - `link.rs`: a call with its span, its time-out and its tries;
//! - `opening.rs`: the collection is found or made;
//! - `indexing.rs`: its indexes;
//! - `fields.rs`: an item as fields and back, `facets.rs`, metadata and filters as facets, and `words.rs`, a
//!   text as words;
//! - `items.rs`: [`MilvusItems`], which writes, with `reading.rs` and `searching.rs`;
//! - `index.rs`: [`MilvusIndex`], the same as an [`Index`](crate::index::Index), and `shelf.rs`,
//!   [`MilvusShelf`], as a [`Shelf`](crate::pipeline::Shelf);
//! - `absent.rs`: the same faces without the feature.

mod config;
mod error;

#[cfg(not(feature = "milvus"))]
mod absent;
#[cfg(feature = "milvus")]
mod facets;
#[cfg(feature = "milvus")]
mod fields;
#[cfg(feature = "milvus")]
mod index;
#[cfg(feature = "milvus")]
mod indexing;
#[cfg(feature = "milvus")]
mod items;
#[cfg(feature = "milvus")]
mod link;
#[cfg(feature = "milvus")]
mod opening;
#[cfg(feature = "milvus")]
mod reading;
#[cfg(feature = "milvus")]
mod searching;
#[cfg(feature = "milvus")]
mod shelf;
#[cfg(feature = "milvus")]
mod words;

#[cfg(not(feature = "milvus"))]
pub use self::absent::{MilvusIndex, MilvusItems, MilvusShelf};
pub use self::config::{Consistency, MilvusConfig, MilvusIndexKind, MilvusUrl};
pub use self::error::MilvusError;
#[cfg(feature = "milvus")]
pub use self::{index::MilvusIndex, items::MilvusItems, shelf::MilvusShelf};
