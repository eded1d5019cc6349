//! FAISS's place in a build without it: the same faces, which say which feature to turn on.

use std::convert::Infallible;

use super::gpu::Gpus;
use super::stand_in::stand_in;
use super::{Factory, IndexConfig, IndexError};

/// FAISS's flat index, which this build lacks. No value of this type exists.
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
        Err(NOT_COMPILED_IN)
    }
}

/// FAISS's other indexes, which this build lacks. No value of this type exists.
#[derive(Debug)]
pub struct FactoryIndex(Infallible);

impl FactoryIndex {
    /// Says which feature is missing.
    ///
    /// # Errors
    ///
    /// Always [`IndexError::NotCompiledIn`].
    pub fn new(
        _dimension: usize,
        _factory: &Factory,
        _config: &IndexConfig,
    ) -> Result<Self, IndexError> {
        Err(NOT_COMPILED_IN)
    }

    pub(super) fn on(
        dimension: usize,
        factory: &Factory,
        config: &IndexConfig,
        _gpus: Option<Gpus>,
    ) -> Result<Self, IndexError> {
        Self::new(dimension, factory, config)
    }

    /// How many vectors wait in the tail.
    pub fn waiting(&self) -> usize {
        match self.0 {}
    }

    /// How many rows of the main part are gone.
    pub fn gone(&self) -> usize {
        match self.0 {}
    }
}

const NOT_COMPILED_IN: IndexError = IndexError::NotCompiledIn {
    backend: "FAISS",
    feature: "faiss",
};

stand_in!(FaissIndex);
stand_in!(FactoryIndex);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_faiss_the_error_names_the_feature() {
        let factory = Factory::parse("HNSW32").unwrap();
        let config = IndexConfig::default();
        for error in [
            FaissIndex::new(4).unwrap_err(),
            FactoryIndex::new(4, &factory, &config).unwrap_err(),
        ] {
            let message = error.to_string();
            assert!(message.contains("--features faiss"), "{message}");
        }
    }
}
