//! Searching the main part of an index on NVIDIA GPUs.
//!
//! FAISS copies a CPU index to a GPU as it is. The CPU's own stays in memory: it is what is written to the
//! index file, what a merge begins with, and what answers the searches that FAISS's GPU indexes cannot
//! (they ignore selectors, and find at most 2,048 results). So a folder moves between machines with and
//! without a GPU, and a GPU can be let go of at any moment.
//!
//! - `fit.rs`: which indexes FAISS can copy, and how much memory that takes;
//! - `queue.rs`: searches take turns, and those that wait are searched together;
//! - `copy.rs`: [`GpuCopy`], one copy as a search sees it;
//! - `present.rs`: [`Gpus`], which makes it (feature `faiss-gpu`);
//! - `absent.rs`: the same faces without it.

#[cfg(all(feature = "faiss", any(test, feature = "faiss-gpu")))]
mod copy;
#[cfg(any(test, feature = "faiss-gpu"))]
mod fit;
#[cfg(all(feature = "faiss", any(test, feature = "faiss-gpu")))]
mod queue;

#[cfg(not(feature = "faiss-gpu"))]
mod absent;
#[cfg(feature = "faiss-gpu")]
mod present;

#[cfg(not(feature = "faiss-gpu"))]
pub(super) use self::absent::Gpus;
#[cfg(feature = "faiss-gpu")]
pub(super) use self::{present::Gpus, queue::Searcher};

#[cfg(all(feature = "faiss", not(any(test, feature = "faiss-gpu"))))]
pub(super) use self::absent::GpuCopy;
#[cfg(all(feature = "faiss", any(test, feature = "faiss-gpu")))]
pub(super) use self::copy::GpuCopy;

/// The most results a search on a GPU finds, and the most lists it looks into: what its selection holds
/// (`GPU_MAX_SELECTION_K`).
#[cfg(any(test, feature = "faiss"))]
pub(super) const MOST: usize = 2048;
