//! Which index there is, and how it searches.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::gpu::Gpus;
use super::{ExactIndex, Factory, FactoryIndex, FaissIndex, Index, IndexDevice, IndexError};
use crate::milvus::MilvusConfig;

/// Which backend to use, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexConfig {
    /// The backend.
    pub kind: IndexKind,
    /// Lists that a search of an IVF index looks into; the square root of their number when not set.
    pub nprobe: Option<usize>,
    /// How many candidates a search of an HNSW graph keeps; 64 when not set.
    pub ef_search: Option<usize>,
    /// Threads that train an index and add to it; half of the machine's when not set. A search takes
    /// the one that calls it.
    pub threads: Option<usize>,
    /// Whether a loaded main part of a factory's index stays in its file and is read as it is needed:
    /// for an index that does not fit into memory. [`Factory::stays_in_file`] says which can; the others,
    /// and the flat index by blocks, are read into memory.
    ///
    /// Opening then checks the size of the file, its first and its last MiB, and not what lies between.
    /// Whoever changes the file in place changes what is found, or ends the process. What is upserted
    /// stays in memory and is compared row by row until [`train`](Index::train) reads the whole index into
    /// memory to merge it. A filtered search of an IVF index, and each of one behind a transform or before a
    /// refinement, has its lists read ahead by threads of FAISS's own, up to 32 of them.
    pub mmap: bool,
    /// Where Milvus is, for [`IndexKind::Milvus`].
    pub milvus: Option<MilvusConfig>,
    /// Where searches run. On a GPU there is a copy of FAISS's index, which stays in memory beside it.
    pub device: IndexDevice,
    /// MiB of each GPU set aside for searches while they run; 512 when not set, and at most 1,536. What
    /// does not fit is taken and given back by each search, which is slower.
    pub gpu_memory_mib: Option<usize>,
    /// Whether a GPU keeps the vectors of a flat index, or the look-up tables of product codes, in half
    /// precision: half the memory, and the nearest may be missed where scores differ by less than a
    /// thousandth. Scores of flat indexes are computed again from the vectors as they are.
    pub gpu_half: bool,
    /// Whether each of several GPUs holds a part of the vectors. If not, each holds all of them, and
    /// searches take whichever is free.
    pub gpu_shard: bool,
}

impl From<IndexKind> for IndexConfig {
    fn from(kind: IndexKind) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }
}

impl IndexConfig {
    /// An empty index of this kind.
    ///
    /// # Errors
    ///
    /// A dimension of zero, a factory string that does not fit the dimension, or a backend that is not
    /// compiled in: the message names the feature.
    pub fn create(&self, dimension: usize) -> Result<Arc<dyn Index>, IndexError> {
        if self.mmap && !matches!(self.kind, IndexKind::Factory(_)) {
            tracing::warn!(index = %self.kind, "this index cannot stay in its file and is read into memory");
        }
        let flat = Factory::flat();
        let factory = match &self.kind {
            IndexKind::Factory(factory) => {
                return Ok(Arc::new(FactoryIndex::new(dimension, factory, self)?));
            }
            IndexKind::Milvus => {
                return Err(IndexError::Unsupported {
                    factory: self.kind.to_string(),
                    reason: "it keeps items and not vectors alone: open a collection on it",
                });
            }
            IndexKind::Auto if FaissIndex::AVAILABLE => Some(&flat),
            IndexKind::Faiss => Some(&flat),
            IndexKind::Auto | IndexKind::Exact => None,
        };
        let gpus = Gpus::find(dimension, factory, self)?;
        Ok(match (factory, gpus) {
            (Some(flat), Some(gpus)) => {
                Arc::new(FactoryIndex::on(dimension, flat, self, Some(gpus))?)
            }
            (Some(_), None) => Arc::new(FaissIndex::new(dimension)?),
            (None, _) => Arc::new(ExactIndex::new(dimension)?),
        })
    }

    /// How many threads train and add.
    pub fn worker_threads(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.unwrap_or_else(|| all() / 2).max(1)
    }
}

/// Which backend to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexKind {
    /// FAISS's flat index where it is compiled in, else the exact index.
    #[default]
    Auto,
    /// The exact index in Rust.
    Exact,
    /// FAISS's flat index, which is exact too.
    Faiss,
    /// Any other index that FAISS's factory makes.
    Factory(Factory),
    /// A Milvus cluster, which keeps texts and metadata too.
    Milvus,
}

impl IndexKind {
    /// The names that [`FromStr`] accepts beside factory strings.
    pub const NAMES: [&'static str; 4] = ["auto", "exact", "faiss", "milvus"];

    /// An empty index of this kind, with the usual settings.
    ///
    /// # Errors
    ///
    /// As [`IndexConfig::create`].
    pub fn create(self, dimension: usize) -> Result<Arc<dyn Index>, IndexError> {
        IndexConfig::from(self).create(dimension)
    }
}

impl fmt::Display for IndexKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Exact => "exact",
            Self::Faiss => "faiss",
            Self::Factory(factory) => factory.as_str(),
            Self::Milvus => "milvus",
        })
    }
}

impl FromStr for IndexKind {
    type Err = IndexError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "auto" => Ok(Self::Auto),
            "exact" => Ok(Self::Exact),
            "faiss" | "Flat" => Ok(Self::Faiss),
            "milvus" => Ok(Self::Milvus),
            _ => Factory::parse(name).map(Self::Factory),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_kind_parses_to_what_displays_as_itself() {
        for name in IndexKind::NAMES {
            assert_eq!(name.parse::<IndexKind>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn an_unknown_kind_is_named_with_what_is_allowed() {
        let message = "hnsw".parse::<IndexKind>().unwrap_err().to_string();
        for expected in ["hnsw", "auto", "exact", "faiss"] {
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn a_factory_string_is_a_kind_and_flat_is_faiss() {
        let kind: IndexKind = "IVF256,PQ64".parse().unwrap();
        assert_eq!(kind.to_string(), "IVF256,PQ64");
        assert_eq!("Flat".parse::<IndexKind>().unwrap(), IndexKind::Faiss);
    }

    #[test]
    fn auto_prefers_faiss_and_falls_back_to_the_exact_index() {
        let index = IndexKind::Auto.create(4).unwrap();
        assert_eq!(
            &*index.factory(),
            if cfg!(feature = "faiss") {
                "Flat"
            } else {
                "Exact"
            }
        );
        assert_eq!(index.device(), "cpu");
    }
}
