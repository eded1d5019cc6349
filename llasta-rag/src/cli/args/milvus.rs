//! Where Milvus is, and how it is asked.

// These comments are help texts: a terminal shows backticks as they are.
#![allow(clippy::doc_markdown)]

use std::time::Duration;

use clap::Args;
use llasta_rag::index::{IndexConfig, IndexKind};
use llasta_rag::milvus::{Consistency, MilvusConfig, MilvusIndexKind, MilvusUrl};

use super::super::failure::Failure;
use super::super::values::{at_least, whole};
use super::IndexArgs;

#[derive(Debug, Clone, Args)]
pub(crate) struct MilvusArgs {
    /// Milvus, for --index milvus: http://host:19530, https://host for TLS, or
    /// milvus://host:19530/collection.
    #[arg(long, env = "MILVUS_URL", value_name = "URL")]
    pub(crate) milvus_url: Option<MilvusUrl>,

    #[command(flatten)]
    pub(crate) how: MilvusHow,

    /// Its index, where the collection is made: AUTOINDEX, FLAT, IVF_FLAT, HNSW, SCANN, DISKANN,
    /// GPU_BRUTE_FORCE, GPU_IVF_FLAT or GPU_CAGRA.
    #[arg(long, env = "MILVUS_INDEX", default_value_t = MilvusIndexKind::default(), value_name = "KIND")]
    pub(crate) milvus_index: MilvusIndexKind,

    /// Collection that holds everything; made when missing [default: the one of the URL, or llasta]
    #[arg(long, env = "MILVUS_COLLECTION", value_parser = name, value_name = "NAME")]
    pub(crate) milvus_collection: Option<String>,
}

/// What whoever asks Milvus takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct MilvusHow {
    /// Milvus database [default: Milvus's own]
    #[arg(long, env = "MILVUS_DATABASE", value_parser = name, value_name = "NAME")]
    pub(crate) milvus_database: Option<String>,

    /// Part of the collection that is worked on; made when missing [default: Milvus's own]
    #[arg(long, env = "MILVUS_PARTITION", value_parser = name, value_name = "NAME")]
    pub(crate) milvus_partition: Option<String>,

    /// user:password or API key for Milvus.
    #[arg(
        long,
        env = "MILVUS_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub(crate) milvus_token: Option<String>,

    /// What a search of Milvus sees: strong, all that was acknowledged; session, what the same
    /// process wrote; bounded, all up to some seconds ago; eventually, what is there by now.
    #[arg(long, env = "MILVUS_CONSISTENCY", default_value_t = Consistency::Strong, value_name = "LEVEL")]
    pub(crate) milvus_consistency: Consistency,

    /// Seconds that a call to Milvus may take, with all its tries.
    #[arg(long, env = "MILVUS_TIMEOUT", default_value_t = 30, value_parser = whole(1..=3600_u64), value_name = "SECONDS")]
    pub(crate) milvus_timeout: u64,

    /// How often a call is tried again that Milvus does not answer.
    #[arg(long, env = "MILVUS_RETRIES", default_value_t = 5, value_parser = at_least(0_u32), value_name = "N")]
    pub(crate) milvus_retries: u32,
}

impl MilvusHow {
    /// The settings for a Milvus of this address.
    pub(crate) fn config(&self, url: MilvusUrl) -> MilvusConfig {
        let mut config = MilvusConfig::new(url);
        config.database.clone_from(&self.milvus_database);
        config.partition.clone_from(&self.milvus_partition);
        config.token = self.milvus_token.clone().filter(|token| !token.is_empty());
        config.consistency = self.milvus_consistency;
        config.timeout = Duration::from_secs(self.milvus_timeout);
        config.retries = self.milvus_retries;
        config
    }
}

impl MilvusArgs {
    /// The settings of the index, with those of Milvus where it is the one.
    pub(crate) fn index(&self, index: IndexArgs) -> Result<IndexConfig, Failure> {
        let mut chosen = IndexConfig::from(index);
        if chosen.kind == IndexKind::Milvus {
            let url = self.milvus_url.clone().ok_or_else(|| {
                Failure::setting(
                    "the index milvus needs an address: give --milvus-url (MILVUS_URL), such as http://milvus:19530",
                )
            })?;
            let mut config = self.how.config(url);
            if let Some(collection) = &self.milvus_collection {
                config.collection.clone_from(collection);
            }
            config.index = self.milvus_index;
            config.nprobe = chosen.nprobe;
            config.ef_search = chosen.ef_search;
            chosen.milvus = Some(config);
        }
        Ok(chosen)
    }

    /// The environment that hands these settings on to a child process.
    pub(crate) fn variables(&self, collection: &str) -> Vec<(&'static str, String)> {
        let Some(url) = &self.milvus_url else {
            return Vec::new();
        };
        let how = &self.how;
        let named = self.milvus_collection.as_ref().or(url.collection.as_ref());
        let collection = named.map_or(collection, String::as_str);
        let given = [
            Some(("MILVUS_URL", url.to_string())),
            Some(("MILVUS_COLLECTION", collection.to_owned())),
            Some(("MILVUS_INDEX", self.milvus_index.to_string())),
            Some(("MILVUS_CONSISTENCY", how.milvus_consistency.to_string())),
            Some(("MILVUS_TIMEOUT", how.milvus_timeout.to_string())),
            Some(("MILVUS_RETRIES", how.milvus_retries.to_string())),
            how.milvus_database
                .clone()
                .map(|name| ("MILVUS_DATABASE", name)),
            how.milvus_partition
                .clone()
                .map(|name| ("MILVUS_PARTITION", name)),
            how.milvus_token
                .clone()
                .map(|token| ("MILVUS_TOKEN", token)),
        ];
        given.into_iter().flatten().collect()
    }
}

fn name(text: &str) -> Result<String, String> {
    MilvusConfig::check_name(text)?;
    Ok(text.to_owned())
}
