//! FAISS's place in a build without it: the same face, which says which feature to turn on.

use std::collections::HashSet;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use super::{Index, IndexError, Neighbour, Stamp};

/// FAISS, which this build lacks. No value of this type exists.
#[derive(Debug)]
pub struct FaissIndex(Infallible);

impl FaissIndex {
    /// Whether this build has FAISS.
    pub const AVAILABLE: bool = false;

    /// Says which feature is missing.
    ///
    /// # Errors
    ///
    /// Always [`IndexError::NotCompiledIn`].
    pub fn new(_dimension: usize) -> Result<Self, IndexError> {
        Err(IndexError::NotCompiledIn {
            backend: "FAISS",
            feature: "faiss",
        })
    }
}

impl Index for FaissIndex {
    fn factory(&self) -> Arc<str> {
        match self.0 {}
    }

    fn device(&self) -> &str {
        match self.0 {}
    }

    fn dimension(&self) -> usize {
        match self.0 {}
    }

    fn len(&self) -> usize {
        match self.0 {}
    }

    fn upsert(&self, _rows: &[(u64, &[f32])]) -> Result<(), IndexError> {
        match self.0 {}
    }

    fn remove(&self, _ids: &[u64]) -> Result<usize, IndexError> {
        match self.0 {}
    }

    fn search_many(
        &self,
        _queries: &[&[f32]],
        _k: usize,
        _among: Option<&HashSet<u64>>,
    ) -> Result<Vec<Vec<Neighbour>>, IndexError> {
        match self.0 {}
    }

    fn reset(&self) -> Result<(), IndexError> {
        match self.0 {}
    }

    fn save(&self, _path: &Path, _stamp: &Stamp) -> Result<(), IndexError> {
        match self.0 {}
    }

    fn load(&self, _path: &Path, _expected: &Stamp) -> Result<(), IndexError> {
        match self.0 {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_faiss_the_error_names_the_feature() {
        let message = FaissIndex::new(4).unwrap_err().to_string();
        assert!(message.contains("--features faiss"), "{message}");
    }
}
