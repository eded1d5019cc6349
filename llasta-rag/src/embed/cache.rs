//! The vectors of the queries that came last.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::{EmbedError, Embedder};
use crate::Device;

/// Keeps the vectors of the queries that came last, so that a query that comes again costs nothing.
/// Texts to be stored go to the model as they are.
#[derive(Debug)]
pub struct QueryCache {
    model: Arc<dyn Embedder>,
    vectors: Mutex<LruCache<Box<str>, Arc<[f32]>>>,
}

impl QueryCache {
    /// Queries of more bytes are not kept: few come twice, and the bound is on their number.
    pub const LONGEST: usize = 2048;

    /// Keeps at most `capacity` vectors.
    pub fn new(model: Arc<dyn Embedder>, capacity: NonZeroUsize) -> Self {
        Self {
            model,
            vectors: Mutex::new(LruCache::new(capacity)),
        }
    }

    /// How many vectors are kept.
    pub fn len(&self) -> usize {
        self.vectors().len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn vectors(&self) -> MutexGuard<'_, LruCache<Box<str>, Arc<[f32]>>> {
        self.vectors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Embedder for QueryCache {
    fn model(&self) -> &str {
        self.model.model()
    }

    fn dimension(&self) -> usize {
        self.model.dimension()
    }

    fn device(&self) -> Device {
        self.model.device()
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.model.embed(texts)
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut found: Vec<Option<Vec<f32>>> = {
            let mut vectors = self.vectors();
            let found = queries
                .iter()
                .map(|&query| vectors.get(query).map(|vector| vector.to_vec()));
            found.collect()
        };
        let missing: Vec<_> = (0..queries.len())
            .filter(|&at| found[at].is_none())
            .collect();
        if !missing.is_empty() {
            let asked: Vec<_> = missing.iter().map(|&at| queries[at]).collect();
            let made = self.model.embed_queries(&asked)?;
            if made.len() != asked.len() {
                return Ok(made);
            }
            let mut vectors = self.vectors();
            for (at, vector) in missing.into_iter().zip(made) {
                if queries[at].len() <= Self::LONGEST {
                    vectors.put(queries[at].into(), vector.as_slice().into());
                }
                found[at] = Some(vector);
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.model.count_tokens(text)
    }

    fn max_tokens(&self) -> Option<usize> {
        self.model.max_tokens()
    }
}
