//! What keeps a collection's items and finds them.

use std::fmt;

use super::CollectionError;
use crate::index::{Index, Neighbour};
use crate::store::{Filter, Named, Row, Store, StoredItem};

/// What keeps items with their vectors and finds them: everything a [`Collection`](super::Collection) is but
/// for the model. Vectors come as the model made them, of its dimension and finite.
///
/// Every method takes `&self` and may block.
pub trait Shelf: Send + Sync + fmt::Debug {
    /// Stores items, of which no id occurs twice, and returns how many items there are since then. An item
    /// whose id is there replaces it.
    ///
    /// # Errors
    ///
    /// Whatever keeps them from being stored. What was stored by then is for the shelf to say.
    fn upsert(&self, items: &[StoredItem]) -> Result<usize, CollectionError>;

    /// Deletes items and returns how many were there.
    ///
    /// # Errors
    ///
    /// Whatever keeps them from being deleted.
    fn delete(&self, ids: &[&str]) -> Result<usize, CollectionError>;

    /// Deletes the items that a filter means, except those with an id of `keep`, and returns how many
    /// those were.
    ///
    /// # Errors
    ///
    /// Whatever keeps them from being deleted.
    fn delete_where(&self, filter: &Filter, keep: &[&str]) -> Result<usize, CollectionError>;

    /// The at most `k` items nearest to a query, best first, of those that a filter means. The query is not
    /// the zero vector.
    ///
    /// # Errors
    ///
    /// A vector of another dimension or with a component that is not finite, or a failing backend.
    fn nearest(
        &self,
        query: &[f32],
        k: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Neighbour>, CollectionError>;

    /// The items with these keys, in this order. A key without an item is passed over.
    ///
    /// # Errors
    ///
    /// A failing backend, or a damaged row.
    fn get(&self, keys: &[u64]) -> Result<Vec<Row>, CollectionError>;

    /// The vectors under these keys, in this order. A key without an item is passed over.
    ///
    /// # Errors
    ///
    /// A failing backend, or a damaged row.
    fn vectors(&self, keys: &[u64]) -> Result<Vec<(u64, Vec<f32>)>, CollectionError>;

    /// The next at most `limit` items after a key, by their keys, of those that a filter means; begin after
    /// 0, end at an empty list.
    ///
    /// # Errors
    ///
    /// A failing backend, or a damaged row.
    fn list(
        &self,
        filter: Option<&Filter>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Named>, CollectionError>;

    /// How many items there are.
    ///
    /// # Errors
    ///
    /// A failing backend.
    fn count(&self) -> Result<usize, CollectionError>;

    /// How many items there are, at once and without waiting for a network: what was said last where
    /// asking takes longer.
    ///
    /// # Errors
    ///
    /// A failing backend.
    fn known_count(&self) -> Result<usize, CollectionError> {
        self.count()
    }

    /// Forgets every item.
    ///
    /// # Errors
    ///
    /// A failing backend.
    fn reset(&self) -> Result<(), CollectionError>;

    /// Writes what makes the next start quick, and that is not written yet. Nothing is lost without it.
    ///
    /// # Errors
    ///
    /// A failing backend.
    fn save(&self) -> Result<(), CollectionError>;

    /// What searches the vectors.
    fn index(&self) -> &dyn Index;

    /// Where a search for `k` items looks now: `cpu`, or a device such as `cuda:0`.
    fn device_for(&self, k: usize, filtered: bool) -> &str {
        self.index().device_for(k, filtered)
    }

    /// The store, where the items are in a folder of this machine.
    fn store(&self) -> Option<&Store> {
        None
    }

    /// Gets ready to find items by their words.
    ///
    /// # Errors
    ///
    /// [`CollectionError::NoTextSearch`] where it cannot be done, or a failing backend.
    fn prepare_text_search(&self) -> Result<(), CollectionError> {
        Err(CollectionError::NoTextSearch {
            index: self.index().factory().to_string(),
        })
    }

    /// The keys of the at most `k` items with any of these words, best first, of those that a filter means.
    ///
    /// # Errors
    ///
    /// As [`prepare_text_search`](Self::prepare_text_search).
    fn search_text(
        &self,
        _words: &[&str],
        _k: usize,
        _filter: Option<&Filter>,
    ) -> Result<Vec<u64>, CollectionError> {
        self.prepare_text_search()?;
        Ok(Vec::new())
    }
}
