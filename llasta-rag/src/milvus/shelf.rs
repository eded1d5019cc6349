//! A Milvus collection as a shelf.

use std::sync::Arc;

use super::{MilvusConfig, MilvusError, MilvusIndex, MilvusItems};
use crate::index::{Index, Neighbour};
use crate::pipeline::{CollectionError, Shelf};
use crate::store::{Filter, Named, Row, StoredItem, VectorSpace};

/// Items in a Milvus collection, which any number of processes may work on.
#[derive(Debug)]
pub struct MilvusShelf {
    items: Arc<MilvusItems>,
    index: MilvusIndex,
}

impl MilvusShelf {
    /// Opens a collection for vectors of this space, or makes it.
    ///
    /// # Errors
    ///
    /// As [`MilvusItems::open`].
    pub fn open(config: &MilvusConfig, space: &VectorSpace) -> Result<Self, MilvusError> {
        let items = Arc::new(MilvusItems::open(config, space)?);
        let index = MilvusIndex::of(Arc::clone(&items));
        Ok(Self { items, index })
    }
}

impl Shelf for MilvusShelf {
    fn upsert(&self, items: &[StoredItem]) -> Result<usize, CollectionError> {
        self.items.upsert(items)?;
        Ok(self.items.count()?)
    }

    fn delete(&self, ids: &[&str]) -> Result<usize, CollectionError> {
        Ok(self.items.delete(ids)?)
    }

    fn delete_where(&self, filter: &Filter, keep: &[&str]) -> Result<usize, CollectionError> {
        Ok(self.items.delete_where(filter, keep)?)
    }

    fn nearest(
        &self,
        query: &[f32],
        k: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Neighbour>, CollectionError> {
        let mut found = self.items.search(&[query], k, filter)?;
        Ok(found.pop().unwrap_or_default())
    }

    fn get(&self, keys: &[u64]) -> Result<Vec<Row>, CollectionError> {
        Ok(self.items.get(keys)?)
    }

    fn vectors(&self, keys: &[u64]) -> Result<Vec<(u64, Vec<f32>)>, CollectionError> {
        Ok(self.items.vectors(keys)?)
    }

    fn list(
        &self,
        filter: Option<&Filter>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Named>, CollectionError> {
        Ok(self.items.list(filter, after, limit)?)
    }

    fn count(&self) -> Result<usize, CollectionError> {
        Ok(self.items.count()?)
    }

    fn known_count(&self) -> Result<usize, CollectionError> {
        Ok(self.items.known_count())
    }

    fn reset(&self) -> Result<(), CollectionError> {
        Ok(self.items.reset()?)
    }

    /// Milvus has written it.
    fn save(&self) -> Result<(), CollectionError> {
        Ok(())
    }

    fn index(&self) -> &dyn Index {
        &self.index
    }

    /// There is nothing to get ready: each upsert brings its words.
    fn prepare_text_search(&self) -> Result<(), CollectionError> {
        Ok(self.items.check_words()?)
    }

    fn search_text(
        &self,
        words: &[&str],
        k: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<u64>, CollectionError> {
        let found = self.items.search_text(words, k, filter)?;
        Ok(found.into_iter().map(|neighbour| neighbour.id).collect())
    }
}
