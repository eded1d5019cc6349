//! The items of a collection: opening it, writing and deleting.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use milvus::v2::ConsistencyLevel;
use milvus::v2::prelude::{DeleteRequest, InsertRequest, UpsertRequest};

use super::fields::{self, ID, KEY, Rows, key_of, weight};
use super::link::{Link, Operation};
use super::opening::{self, Found};
use super::{MilvusConfig, MilvusError, words};
use crate::store::{Filter, StoredItem, VectorSpace};

/// Most results of a search, and most rows of a page: Milvus's own bound.
pub(super) const MOST: usize = 16_384;

/// Keys that one expression names.
const KEYS: usize = 4096;

/// Bytes of an answer: the client takes no more.
const ANSWER: usize = 4 << 20;

/// Most whole rows of a page.
const PAGE: usize = 512;

/// Bytes of items that go in one call. Milvus takes 64 MiB.
const PART: usize = 16 << 20;

/// The items of a Milvus collection.
///
/// Every method may block, and must not be called on a thread that serves the runtime. Each may be called
/// again when it failed: nothing is then there twice.
#[derive(Debug)]
pub struct MilvusItems {
    pub(super) link: Link,
    found: Found,
    pub(super) known: Arc<Known>,
    /// How many whole rows fit into an answer, as far as is known.
    pub(super) rows: AtomicUsize,
}

/// What was said of how many items there are.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) count: AtomicUsize,
    pub(super) asking: AtomicBool,
}

impl MilvusItems {
    /// Whether this build can speak with Milvus.
    pub const AVAILABLE: bool = true;

    /// Opens a collection for vectors of this space, or makes it. Several processes may do so at once.
    /// Calls run on the Tokio runtime of this thread, which must not be one that serves it.
    ///
    /// # Errors
    ///
    /// [`MilvusError::OtherSpace`] where its vectors are of another model, [`MilvusError::Foreign`] where it
    /// holds something else, or whatever keeps Milvus from being asked.
    pub fn open(config: &MilvusConfig, space: &VectorSpace) -> Result<Self, MilvusError> {
        let link = Link::connect(config.clone())?;
        let found = opening::open(&link, space)?;
        Self::over(link, found)
    }

    /// Opens a collection that is there, whatever its space is.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), or [`MilvusError::NoCollection`].
    pub fn open_existing(config: &MilvusConfig) -> Result<Self, MilvusError> {
        let link = Link::connect(config.clone())?;
        let found = opening::open_existing(&link)?;
        Self::over(link, found)
    }

    fn over(link: Link, found: Found) -> Result<Self, MilvusError> {
        // A chunk's text is shorter than this as a rule; where it is not, fewer are asked for.
        let row = found.space.dimension * size_of::<f32>() + 2048;
        let items = Self {
            link,
            found,
            known: Arc::default(),
            rows: AtomicUsize::new((ANSWER / 2 / row).clamp(1, PAGE)),
        };
        items.count()?;
        Ok(items)
    }

    /// What the vectors are made with.
    pub fn space(&self) -> &VectorSpace {
        &self.found.space
    }

    /// The index of the vectors, in Milvus's words.
    pub fn index_name(&self) -> &str {
        &self.found.index
    }

    /// Where it is, and how it is asked.
    pub fn config(&self) -> &MilvusConfig {
        self.link.config()
    }

    /// Whether items are found by their words: a collection from before that was possible has none.
    ///
    /// # Errors
    ///
    /// [`MilvusError::NoWords`], which says what to do.
    pub fn check_words(&self) -> Result<(), MilvusError> {
        if self.found.words {
            return Ok(());
        }
        Err(MilvusError::NoWords {
            url: self.config().url.clone(),
            collection: self.config().collection.clone(),
        })
    }

    /// The key of an item, wherever it is written.
    pub fn key_of(id: &str) -> u64 {
        key_of(id)
    }

    /// Writes items, of which no id occurs twice. They go in calls of up to 16 MiB, each of which is done
    /// wholly or not at all.
    ///
    /// # Errors
    ///
    /// An item that Milvus does not take, or an id whose key another id has: nothing is then written. Where
    /// Milvus fails between two calls, what the first one wrote stays.
    pub fn upsert(&self, items: &[StoredItem]) -> Result<(), MilvusError> {
        for item in items {
            fields::check(item, self.space().dimension)?;
        }
        let keys: Vec<_> = items.iter().map(|item| key_of(&item.id)).collect();
        self.check_keys(&keys, items)?;
        self.write(&keys, items)
    }

    /// Writes items under keys that are theirs.
    pub(super) fn write(&self, keys: &[u64], items: &[StoredItem]) -> Result<(), MilvusError> {
        let mut from = 0;
        while from < items.len() {
            let mut bytes = 0;
            let fit = items[from..].iter().take_while(|item| {
                bytes += weight(item);
                bytes <= PART
            });
            let to = from + fit.count().max(1);
            let texts = items[from..to].iter().map(|item| item.text.as_str());
            let words = match self.found.words {
                true => Some(words::of(&texts.collect::<Vec<_>>())?),
                false => None,
            };
            self.link.call(Operation::Upsert, |client| {
                let columns = fields::columns(&keys[from..to], &items[from..to], words.as_deref());
                async move {
                    let insert = InsertRequest::builder()
                        .collection_name(&self.config().collection)
                        .partition_name(self.partition())
                        .columns(columns)
                        .build()?;
                    let request = UpsertRequest::builder().insert(insert).build()?;
                    client.upsert(request).await
                }
            })?;
            from = to;
        }
        Ok(())
    }

    /// Whether each key is free, or its own id has it.
    fn check_keys(&self, keys: &[u64], items: &[StoredItem]) -> Result<(), MilvusError> {
        let mut ids: HashMap<u64, &str> = HashMap::with_capacity(keys.len());
        let taken = |id: &str, other: &str| MilvusError::KeyTaken {
            id: id.to_owned(),
            other: other.to_owned(),
        };
        for (key, item) in keys.iter().zip(items) {
            if let Some(other) = ids.insert(*key, &item.id) {
                return Err(taken(&item.id, other));
            }
        }
        for (key, other) in self.owners(keys)? {
            if let Some(id) = ids.get(&key).filter(|id| **id != other) {
                return Err(taken(id, &other));
            }
        }
        Ok(())
    }

    /// Which of these keys are there, each with its id.
    fn owners(&self, keys: &[u64]) -> Result<Vec<(u64, String)>, MilvusError> {
        self.in_parts(keys, KEYS, |keys| {
            let strong = ConsistencyLevel::Strong;
            let results = self.query(&among(keys), &[KEY, ID], None, strong)?;
            let rows = Rows::of(&results)?;
            Ok(rows.keys().zip(rows.ids()?.iter().cloned()).collect())
        })
    }

    /// Deletes items and returns how many were there.
    ///
    /// # Errors
    ///
    /// A failing Milvus.
    pub fn delete(&self, ids: &[&str]) -> Result<usize, MilvusError> {
        let keys: HashMap<_, _> = ids.iter().map(|id| (key_of(id), *id)).collect();
        let asked: Vec<_> = keys.keys().copied().collect();
        let there: Vec<_> = self
            .owners(&asked)?
            .into_iter()
            .filter(|(key, id)| keys.get(key).is_some_and(|asked| asked == id))
            .map(|(key, _)| key)
            .collect();
        self.remove(&there)?;
        Ok(there.len())
    }

    /// Deletes the items that a filter means, except those with an id of `keep`, and returns how many those
    /// were.
    ///
    /// # Errors
    ///
    /// A failing Milvus; some of them may then be gone.
    pub fn delete_where(&self, filter: &Filter, keep: &[&str]) -> Result<usize, MilvusError> {
        let keep: HashSet<_> = keep.iter().map(|id| key_of(id)).collect();
        let mut keys = Vec::new();
        let mut last = 0;
        loop {
            let strong = ConsistencyLevel::Strong;
            let results = self.page(Some(filter), last, MOST, &[KEY], strong)?;
            let found = Rows::of(&results)?.keys();
            let before = (last, keys.len());
            for key in found {
                last = last.max(key);
                if !keep.contains(&key) {
                    keys.push(key);
                }
            }
            if before.0 == last {
                break;
            }
        }
        self.remove(&keys)?;
        Ok(keys.len())
    }

    /// Which of these keys are there.
    pub(super) fn present(&self, keys: &[u64]) -> Result<Vec<u64>, MilvusError> {
        Ok(self.owners(keys)?.into_iter().map(|(key, _)| key).collect())
    }

    /// Deletes what is under these keys.
    pub(super) fn remove(&self, keys: &[u64]) -> Result<(), MilvusError> {
        for keys in keys.chunks(KEYS) {
            self.delete_by(&among(keys))?;
        }
        Ok(())
    }

    /// Deletes every item.
    ///
    /// # Errors
    ///
    /// A failing Milvus; some of them may then be gone.
    pub fn reset(&self) -> Result<(), MilvusError> {
        // No key is negative.
        self.delete_by(&format!("{KEY} >= 0"))?;
        self.known.count.store(0, Ordering::Relaxed);
        Ok(())
    }

    fn delete_by(&self, expression: &str) -> Result<(), MilvusError> {
        self.link.call(Operation::Delete, |client| async move {
            let request = DeleteRequest::builder()
                .collection_name(&self.config().collection)
                .partition_name(self.partition())
                .filter(expression)
                .consistency_level(ConsistencyLevel::Strong)
                .build()?;
            client.delete(request).await
        })?;
        Ok(())
    }

    fn partition(&self) -> &str {
        self.config().partition.as_deref().unwrap_or_default()
    }
}

pub(super) fn among(keys: &[u64]) -> String {
    let keys: Vec<_> = keys.iter().map(u64::to_string).collect();
    format!("{KEY} in [{}]", keys.join(", "))
}
