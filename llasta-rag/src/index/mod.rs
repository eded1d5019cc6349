//! Nearest neighbours: which stored vectors are closest to a query vector.
//!
//! An index knows keys and vectors and nothing else. Texts, metadata and string ids live in
//! [`store`](crate::store), which is the truth; an index is a cache that can always be rebuilt from
//! it. Scores are inner products, so on the normalised vectors that
//! [`embed`](crate::embed) makes they are cosine similarities.
//!
//! Every method takes `&self`. A search reads the snapshot that was current when it began, so
//! searches wait neither for each other nor for an upsert; upserts and removals wait for one another.
//!
//! In reading order:
//! - [`Index`], the trait (this file);
//! - `config.rs`: [`IndexConfig`] and [`IndexKind`], which pick a backend and how it searches;
//! - `device.rs`: [`IndexDevice`], where it searches;
//! - `error.rs`: what can go wrong, and what to do about it;
//! - `blocks.rs`: [`BlockIndex`], the snapshots that both backends share;
//! - `exact.rs`: [`ExactIndex`], pure Rust, the oracle and the fallback;
//! - `factory.rs`: [`Factory`], FAISS's factory strings, read without FAISS;
//! - `faiss.rs`: [`FaissIndex`], FAISS's flat index by blocks (feature `faiss`);
//! - `layered.rs`: [`FactoryIndex`], any other of FAISS's, with `sealed.rs`, the part that FAISS
//!   searches, `merge.rs`, which makes it, and `kept.rs`, which writes and opens it;
//! - `gpu`: copies of that part on NVIDIA GPUs (feature `faiss-gpu`);
//! - `absent.rs`: the same faces without FAISS, and `stand_in.rs`, what those of any backend share;
//! - `ffi.rs` and `ffi_gpu.rs`: FAISS itself, and everything that is unsafe about it;
//! - `file.rs`: the index file and its checks.

mod blocks;
mod config;
mod device;
mod error;
mod exact;
mod factory;
mod file;
mod gpu;

#[cfg(not(feature = "faiss"))]
mod absent;
#[cfg(feature = "faiss")]
mod faiss;
#[cfg(feature = "faiss")]
mod ffi;
#[cfg(feature = "faiss-gpu")]
mod ffi_gpu;
#[cfg(feature = "faiss")]
mod kept;
#[cfg(feature = "faiss")]
mod layered;
#[cfg(feature = "faiss")]
mod merge;
#[cfg(feature = "faiss")]
mod sealed;
#[cfg(not(all(feature = "faiss", feature = "milvus")))]
pub(crate) mod stand_in;

#[cfg(not(feature = "faiss"))]
pub use self::absent::{FactoryIndex, FaissIndex};
pub use self::blocks::{BlockIndex, Rows};
pub use self::config::{IndexConfig, IndexKind};
pub use self::device::IndexDevice;
pub use self::error::IndexError;
pub use self::exact::{ExactIndex, ExactRows};
pub use self::factory::Factory;
#[cfg(feature = "faiss")]
pub use self::{faiss::FaissIndex, layered::FactoryIndex};

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A set of vectors of one dimension under integer keys, searched by inner product.
pub trait Index: Send + Sync + fmt::Debug {
    /// The kind of index in FAISS's words, e.g. `Flat`; the exact index says `Exact`. It says what
    /// searches now: an index that waits for vectors to train on is `Flat` until then.
    fn factory(&self) -> Arc<str>;

    /// Where searches run now: `cpu`, or a device such as `cuda:0`.
    fn device(&self) -> &str;

    /// Where a search for `k` results runs now, which may be another place than most do: FAISS's GPU
    /// indexes take no filter and find a limited number of results, so the CPU does the rest.
    fn device_for(&self, _k: usize, _filtered: bool) -> &str {
        self.device()
    }

    /// How many components each vector has.
    fn dimension(&self) -> usize;

    /// How many vectors are held.
    fn len(&self) -> usize;

    /// Whether no vector is held.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds vectors, replacing those whose key is already there. Of a key given twice the last wins.
    ///
    /// # Errors
    ///
    /// A vector of another dimension or with a component that is not finite, or a failing backend;
    /// the index is then as it was before.
    fn upsert(&self, rows: &[(u64, &[f32])]) -> Result<(), IndexError>;

    /// Removes vectors and returns how many were there.
    ///
    /// # Errors
    ///
    /// A failing backend; the index is then as it was before.
    fn remove(&self, ids: &[u64]) -> Result<usize, IndexError>;

    /// The at most `k` nearest vectors, best first; equal scores come in the order of their ids.
    ///
    /// # Errors
    ///
    /// A query of another dimension or with a component that is not finite, or a failing backend.
    fn search(&self, query: &[f32], k: usize) -> Result<Vec<Neighbour>, IndexError> {
        let mut found = self.search_many(&[query], k, None)?;
        Ok(found.pop().unwrap_or_default())
    }

    /// Like [`search`](Self::search) for several queries at once; with `among`, of the vectors under
    /// these keys only. One list per query, in the same order.
    ///
    /// # Errors
    ///
    /// As [`search`](Self::search).
    fn search_many(
        &self,
        queries: &[&[f32]],
        k: usize,
        among: Option<&HashSet<u64>>,
    ) -> Result<Vec<Vec<Neighbour>>, IndexError>;

    /// Whether scores are the inner products of the stored vectors themselves, and not of compressed
    /// ones.
    fn scores_are_exact(&self) -> bool {
        true
    }

    /// Whether a search compares the query with every vector as it is, so that it misses none.
    fn misses_none(&self) -> bool {
        true
    }

    /// Moves every vector to where most are searched, now and not when it is worth its cost, and trains
    /// first where that was not done yet. Searches and upserts go on meanwhile. Indexes of one part
    /// have nothing to do.
    ///
    /// # Errors
    ///
    /// [`IndexError::TooFewVectors`], or a failing backend; the index is then as it was before.
    fn train(&self) -> Result<(), IndexError> {
        Ok(())
    }

    /// Forgets every vector.
    ///
    /// # Errors
    ///
    /// A failing backend.
    fn reset(&self) -> Result<(), IndexError>;

    /// Writes all vectors to `path` with the stamp that says what they belong to. The file appears
    /// whole or not at all.
    ///
    /// # Errors
    ///
    /// A file that cannot be written.
    fn save(&self, path: &Path, stamp: &Stamp) -> Result<(), IndexError>;

    /// Replaces the content with that of the file, if the file is whole and bears `expected`.
    ///
    /// # Errors
    ///
    /// [`IndexError::NoFile`], [`IndexError::Damaged`], [`IndexError::OtherDimension`],
    /// [`IndexError::OtherModel`], [`IndexError::OtherKind`] or [`IndexError::Stale`]; after each of them the content is
    /// unchanged and the caller rebuilds it from the store. [`IndexError::GpuMemory`] where a GPU was asked
    /// for and has no room for it.
    fn load(&self, path: &Path, expected: &Stamp) -> Result<(), IndexError>;
}

/// One result of a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// The key under which the vector was added.
    pub id: u64,
    /// Its inner product with the query.
    pub score: f32,
}

/// What a saved index belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The generation of the store that the index mirrors.
    pub generation: u64,
    /// Components per vector.
    pub dimension: usize,
    /// The embedding model that made the vectors.
    pub model: String,
}

/// The at most `k` of these vectors that are nearest to the query, by their inner products, best first;
/// equal scores come in the order of their ids. All have as many components as the query.
pub fn nearest_of(query: &[f32], rows: &[(u64, Vec<f32>)], k: usize) -> Vec<Neighbour> {
    let scored = rows.iter().map(|(id, row)| Neighbour {
        id: *id,
        score: exact::dot(query, row),
    });
    blocks::best(scored.collect(), k)
}

/// Whether an index of this dimension takes a vector.
///
/// # Errors
///
/// [`IndexError::Dimension`] or [`IndexError::NotFinite`].
pub fn check_vector(vector: &[f32], dimension: usize) -> Result<(), IndexError> {
    if vector.len() != dimension {
        return Err(IndexError::Dimension {
            expected: dimension,
            given: vector.len(),
        });
    }
    match vector.iter().position(|value| !value.is_finite()) {
        Some(position) => Err(IndexError::NotFinite {
            position,
            value: vector[position],
        }),
        None => Ok(()),
    }
}
