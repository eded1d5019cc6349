//! Milvus's place in a build without it: the same faces, which say which feature to turn on.

use std::convert::Infallible;

use super::{MilvusConfig, MilvusError};
use crate::index::stand_in::stand_in;
use crate::index::{Index, Neighbour};
use crate::pipeline::{CollectionError, Shelf};
use crate::store::{Filter, Named, Row, StoredItem, VectorSpace};

/// The items of a Milvus collection, which this build cannot ask. No value of this type exists.
#[derive(Debug)]
pub struct MilvusItems(Infallible);

impl MilvusItems {
    /// Whether this build can speak with Milvus.
    pub const AVAILABLE: bool = false;

    /// Says which feature is missing.
    ///
    /// # Errors
    ///
    /// Always [`MilvusError::NotCompiledIn`].
    pub fn open(_config: &MilvusConfig, _space: &VectorSpace) -> Result<Self, MilvusError> {
        Err(MilvusError::NotCompiledIn)
    }

    /// Says which feature is missing.
    ///
    /// # Errors
    ///
    /// Always [`MilvusError::NotCompiledIn`].
    pub fn open_existing(_config: &MilvusConfig) -> Result<Self, MilvusError> {
        Err(MilvusError::NotCompiledIn)
    }

    /// What the vectors are made with.
    pub fn space(&self) -> &VectorSpace {
        match self.0 {}
    }

    /// The index of the vectors, in Milvus's words.
    pub fn index_name(&self) -> &str {
        match self.0 {}
    }

    /// Where it is, and how it is asked.
    pub fn config(&self) -> &MilvusConfig {
        match self.0 {}
    }

    /// Deletes items.
    ///
    /// # Errors
    ///
    /// None: there is no value of this type.
    pub fn delete(&self, _ids: &[&str]) -> Result<usize, MilvusError> {
        match self.0 {}
    }

    /// Deletes the items that a filter means.
    ///
    /// # Errors
    ///
    /// None: there is no value of this type.
    pub fn delete_where(&self, _filter: &Filter, _keep: &[&str]) -> Result<usize, MilvusError> {
        match self.0 {}
    }

    /// Deletes every item.
    ///
    /// # Errors
    ///
    /// None: there is no value of this type.
    pub fn reset(&self) -> Result<(), MilvusError> {
        match self.0 {}
    }

    /// The next items after a key.
    ///
    /// # Errors
    ///
    /// None: there is no value of this type.
    pub fn list(
        &self,
        _filter: Option<&Filter>,
        _after: u64,
        _limit: usize,
    ) -> Result<Vec<Named>, MilvusError> {
        match self.0 {}
    }

    /// How many items there were when that was asked last.
    pub fn known_count(&self) -> usize {
        match self.0 {}
    }

    /// The next items after a key with everything there is of them.
    ///
    /// # Errors
    ///
    /// None: there is no value of this type.
    pub fn items_after(
        &self,
        _after: u64,
        _limit: usize,
    ) -> Result<Vec<(u64, StoredItem)>, MilvusError> {
        match self.0 {}
    }

    /// Writes items.
    ///
    /// # Errors
    ///
    /// None: there is no value of this type.
    pub fn upsert(&self, _items: &[StoredItem]) -> Result<(), MilvusError> {
        match self.0 {}
    }

    /// The items with these keys.
    ///
    /// # Errors
    ///
    /// None: there is no value of this type.
    pub fn get(&self, _keys: &[u64]) -> Result<Vec<Row>, MilvusError> {
        match self.0 {}
    }

    /// The vectors under these keys.
    ///
    /// # Errors
    ///
    /// None: there is no value of this type.
    pub fn vectors(&self, _keys: &[u64]) -> Result<Vec<(u64, Vec<f32>)>, MilvusError> {
        match self.0 {}
    }

    /// How many items there are.
    ///
    /// # Errors
    ///
    /// None: there is no value of this type.
    pub fn count(&self) -> Result<usize, MilvusError> {
        match self.0 {}
    }

    /// The nearest items to each query.
    ///
    /// # Errors
    ///
    /// None: there is no value of this type.
    pub fn search(
        &self,
        _queries: &[&[f32]],
        _k: usize,
        _filter: Option<&Filter>,
    ) -> Result<Vec<Vec<Neighbour>>, MilvusError> {
        match self.0 {}
    }

    /// Whether items are found by their words.
    ///
    /// # Errors
    ///
    /// None: there is no value of this type.
    pub fn check_words(&self) -> Result<(), MilvusError> {
        match self.0 {}
    }

    /// The items with any of these words.
    ///
    /// # Errors
    ///
    /// None: there is no value of this type.
    pub fn search_text(
        &self,
        _words: &[&str],
        _k: usize,
        _filter: Option<&Filter>,
    ) -> Result<Vec<Neighbour>, MilvusError> {
        match self.0 {}
    }

    /// The key of an item.
    pub fn key_of(_id: &str) -> u64 {
        0
    }
}

/// A Milvus collection as an index, which this build lacks. No value of this type exists.
#[derive(Debug)]
pub struct MilvusIndex(Infallible);

impl MilvusIndex {
    /// Whether this build can speak with Milvus.
    pub const AVAILABLE: bool = false;

    /// Says which feature is missing.
    ///
    /// # Errors
    ///
    /// Always [`MilvusError::NotCompiledIn`].
    pub fn open(_config: &MilvusConfig, _space: &VectorSpace) -> Result<Self, MilvusError> {
        Err(MilvusError::NotCompiledIn)
    }
}

stand_in!(MilvusIndex);

/// A Milvus collection as a shelf, which this build lacks. No value of this type exists.
#[derive(Debug)]
pub struct MilvusShelf(Infallible);

impl MilvusShelf {
    /// Says which feature is missing.
    ///
    /// # Errors
    ///
    /// Always [`MilvusError::NotCompiledIn`].
    pub fn open(_config: &MilvusConfig, _space: &VectorSpace) -> Result<Self, MilvusError> {
        Err(MilvusError::NotCompiledIn)
    }
}

impl Shelf for MilvusShelf {
    fn upsert(&self, _items: &[StoredItem]) -> Result<usize, CollectionError> {
        match self.0 {}
    }

    fn delete(&self, _ids: &[&str]) -> Result<usize, CollectionError> {
        match self.0 {}
    }

    fn delete_where(&self, _filter: &Filter, _keep: &[&str]) -> Result<usize, CollectionError> {
        match self.0 {}
    }

    fn nearest(
        &self,
        _query: &[f32],
        _k: usize,
        _filter: Option<&Filter>,
    ) -> Result<Vec<Neighbour>, CollectionError> {
        match self.0 {}
    }

    fn get(&self, _keys: &[u64]) -> Result<Vec<Row>, CollectionError> {
        match self.0 {}
    }

    fn vectors(&self, _keys: &[u64]) -> Result<Vec<(u64, Vec<f32>)>, CollectionError> {
        match self.0 {}
    }

    fn list(
        &self,
        _filter: Option<&Filter>,
        _after: u64,
        _limit: usize,
    ) -> Result<Vec<Named>, CollectionError> {
        match self.0 {}
    }

    fn count(&self) -> Result<usize, CollectionError> {
        match self.0 {}
    }

    fn reset(&self) -> Result<(), CollectionError> {
        match self.0 {}
    }

    fn save(&self) -> Result<(), CollectionError> {
        match self.0 {}
    }

    fn index(&self) -> &dyn Index {
        match self.0 {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_milvus_the_error_names_the_feature() {
        let config = MilvusConfig::new("http://milvus".parse().unwrap());
        let space = VectorSpace {
            model: "m".to_owned(),
            dimension: 1,
        };
        for error in [
            MilvusItems::open_existing(&config).unwrap_err(),
            MilvusItems::open(&config, &space).unwrap_err(),
            MilvusIndex::open(&config, &space).unwrap_err(),
            MilvusShelf::open(&config, &space).unwrap_err(),
        ] {
            let message = error.to_string();
            assert!(message.contains("--features milvus"), "{message}");
        }
    }
}
