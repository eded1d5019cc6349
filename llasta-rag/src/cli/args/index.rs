//! Which index searches the vectors, and how.

// These comments are help texts: a terminal shows backticks as they are.
#![allow(clippy::doc_markdown)]

use clap::Args;
use llasta_rag::index::{IndexConfig, IndexDevice, IndexKind};

use super::super::values::{at_least, index_device, index_kind, whole};

#[derive(Debug, Args)]
pub(crate) struct IndexArgs {
    /// Index: auto, exact, faiss, milvus, or a factory string of FAISS such as IVF256,Flat, HNSW32 or
    /// IVF256,PQ64. auto takes FAISS's Flat where FAISS is compiled in.
    #[arg(long, env = "INDEX", default_value = "auto", value_parser = index_kind, value_name = "KIND")]
    pub(crate) index: IndexKind,

    /// Lists that a search of an IVF index looks into [default: the square root of their number]
    #[arg(long, env = "INDEX_NPROBE", value_parser = at_least(1_usize), value_name = "N")]
    pub(crate) nprobe: Option<usize>,

    /// Candidates that a search of an HNSW index keeps [default: 64]
    #[arg(long, env = "INDEX_EF_SEARCH", value_parser = at_least(1_usize), value_name = "N")]
    pub(crate) ef_search: Option<usize>,

    /// Threads that train an index and add to it [default: half of the machine's]
    #[arg(long, env = "INDEX_THREADS", value_parser = at_least(1_usize), value_name = "N")]
    pub(crate) index_threads: Option<usize>,

    /// Leave an index made by FAISS's factory in its file and read it as it is needed: for one larger
    /// than memory. New vectors are then searched one by one until a start without this.
    #[arg(long, env = "INDEX_MMAP")]
    pub(crate) index_mmap: bool,

    /// Where the index is searched: auto, cpu, cuda:0, several such as cuda:0,1, or cuda:all. auto takes
    /// the first GPU that the index fits on, and else the CPU, and says which in the log.
    #[arg(long, env = "INDEX_DEVICE", default_value = "auto", value_parser = index_device, value_name = "DEVICE")]
    pub(crate) index_device: IndexDevice,

    /// MiB of each GPU set aside for searches while they run [default: 512]
    #[arg(long, env = "INDEX_GPU_MEMORY", value_parser = whole(0..=1536_usize), value_name = "MIB")]
    pub(crate) index_gpu_memory: Option<usize>,

    /// Keep the vectors of Flat, or the look-up tables of IVF…,PQ…, in half precision on the GPU
    #[arg(long, env = "INDEX_GPU_HALF")]
    pub(crate) index_gpu_half: bool,

    /// Give each of several GPUs a part of the vectors instead of all of them
    #[arg(long, env = "INDEX_GPU_SHARD")]
    pub(crate) index_gpu_shard: bool,
}

impl IndexArgs {
    /// The environment that hands these settings on to a child process.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let number = |name, value: Option<usize>| value.map(|value| (name, value.to_string()));
        let given = [
            Some(("INDEX", self.index.to_string())),
            number("INDEX_NPROBE", self.nprobe),
            number("INDEX_EF_SEARCH", self.ef_search),
            number("INDEX_THREADS", self.index_threads),
            self.index_mmap.then(|| ("INDEX_MMAP", "true".to_owned())),
            Some(("INDEX_DEVICE", self.index_device.to_string())),
            number("INDEX_GPU_MEMORY", self.index_gpu_memory),
            self.index_gpu_half
                .then(|| ("INDEX_GPU_HALF", "true".to_owned())),
            self.index_gpu_shard
                .then(|| ("INDEX_GPU_SHARD", "true".to_owned())),
        ];
        given.into_iter().flatten().collect()
    }
}

impl From<IndexArgs> for IndexConfig {
    fn from(arguments: IndexArgs) -> Self {
        let mut config = Self::from(arguments.index);
        config.nprobe = arguments.nprobe;
        config.ef_search = arguments.ef_search;
        config.threads = arguments.index_threads;
        config.mmap = arguments.index_mmap;
        config.device = arguments.index_device;
        config.gpu_memory_mib = arguments.index_gpu_memory;
        config.gpu_half = arguments.index_gpu_half;
        config.gpu_shard = arguments.index_gpu_shard;
        config
    }
}
