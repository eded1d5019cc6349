//! What can go wrong with an index, and what to do about it.

use std::io;
use std::path::PathBuf;

/// Why an index refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// A name that is no [`IndexKind`](super::IndexKind).
    #[error(
        "unknown index kind {given:?}: use auto, exact, faiss, milvus, or a factory string of FAISS such as IVF256,Flat, HNSW32 or IVF256,PQ64"
    )]
    UnknownKind {
        /// The name as given.
        given: String,
    },
    /// A factory string of FAISS's that this index does not take.
    #[error("the index kind {factory} is not supported: {reason}")]
    Unsupported {
        /// The factory string.
        factory: String,
        /// Why not, and what to take instead.
        reason: &'static str,
    },
    /// A kind that learns from its vectors, and has too few yet.
    #[error(
        "the index {factory} trains on at least {needed} vectors and there are {given}: add more, or take a kind with fewer lists or without training, such as HNSW32"
    )]
    TooFewVectors {
        /// The factory string.
        factory: String,
        /// How many vectors training needs.
        needed: usize,
        /// How many there are.
        given: usize,
    },
    /// A backend that this build lacks.
    #[error(
        "this build has no {backend} index: build with `--features {feature}`, or choose the kind auto or exact"
    )]
    NotCompiledIn {
        /// The backend asked for.
        backend: &'static str,
        /// The Cargo feature that brings it.
        feature: &'static str,
    },
    /// An index that FAISS cannot copy to a GPU.
    #[error("the index {index} cannot be searched on a GPU: {reason}, or pass --index-device cpu")]
    NotOnGpu {
        /// The kind of the index.
        index: String,
        /// Why not, and what to take instead.
        reason: String,
    },
    /// A GPU that is not there or cannot be used.
    #[error("cannot search on {device}: {reason}")]
    Gpu {
        /// The device asked for.
        device: String,
        /// What is missing, and what to do about it.
        reason: String,
    },
    /// A GPU without enough free memory.
    #[error(
        "the index needs about {needed} MiB on {device}, where {free} MiB of {total} are free: free memory there, pass {} or a kind that compresses such as IVF4096,PQ64, or pass --index-device cpu",
        if *several { "--index-gpu-half" } else { "--index-gpu-half, several GPUs with --index-gpu-shard," }
    )]
    GpuMemory {
        /// The device.
        device: String,
        /// MiB that are needed, estimated.
        needed: u64,
        /// MiB that are free.
        free: u64,
        /// MiB that the device has.
        total: u64,
        /// Whether the index is spread over several GPUs already.
        several: bool,
    },
    /// A vector or index without components.
    #[error("an index needs vectors of at least one component: give the embedder's dimension")]
    NoDimension,
    /// A vector of another dimension than the index.
    #[error(
        "a vector has {given} components and the index {expected}: embed texts and queries with the same model"
    )]
    Dimension {
        /// Components of the index's vectors.
        expected: usize,
        /// Components of the vector given.
        given: usize,
    },
    /// A component that is NaN or infinite.
    #[error("component {position} of a vector is {value}, not a finite number: check the embedder")]
    NotFinite {
        /// Which component, from 0.
        position: usize,
        /// Its value.
        value: f32,
    },
    /// A backend that failed.
    #[error("the backend {backend} failed: {message}")]
    Backend {
        /// Which backend.
        backend: &'static str,
        /// What it said.
        message: String,
    },
    /// No index file; normal at the first start.
    #[error("there is no index file {}: rebuild the index from the store", path.display())]
    NoFile {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file that was not written by [`Index::save`](super::Index::save), or not wholly.
    #[error("the index file {} is damaged ({reason}): rebuild the index from the store", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file with vectors of another dimension.
    #[error(
        "the index file {} holds vectors of {found} components, the store's have {expected}: rebuild the index from the store",
        path.display()
    )]
    OtherDimension {
        /// The file.
        path: PathBuf,
        /// The dimension wanted.
        expected: usize,
        /// The dimension in the file.
        found: usize,
    },
    /// A file with vectors of another model.
    #[error(
        "the index file {} holds vectors of the model {found}, the store's are of {expected}: rebuild the index from the store",
        path.display()
    )]
    OtherModel {
        /// The file.
        path: PathBuf,
        /// The model wanted.
        expected: String,
        /// The model in the file.
        found: String,
    },
    /// A file of another kind of index.
    #[error(
        "the index file {} is of the kind {found}, not {expected}: rebuild the index from the store",
        path.display()
    )]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// The kind wanted.
        expected: String,
        /// The kind in the file.
        found: String,
    },
    /// A file that mirrors another generation of the store.
    #[error(
        "the index file {} mirrors generation {found} of the store, which is at {expected}: rebuild the index from the store",
        path.display()
    )]
    Stale {
        /// The file.
        path: PathBuf,
        /// The store's generation.
        expected: u64,
        /// The generation in the file.
        found: u64,
    },
    /// A file that cannot be read or written.
    #[error(
        "cannot {action} the index file {}: {source}; check the folder's permissions and free space",
        path.display()
    )]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
