//! A Milvus collection as an index.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::{MilvusConfig, MilvusError, MilvusIndexKind, MilvusItems};
use crate::index::{Index, IndexError, Neighbour, Stamp, check_vector};
use crate::store::{StoredItem, VectorSpace};

/// The vectors of a Milvus collection. Reports its factory as `Milvus/` and Milvus's name for its index.
///
/// It keeps what it is told, so there is no file: saving and loading do nothing. How many vectors it holds is
/// what was said last, as other processes may write too. Which of several vectors with the same score are the
/// last of a list is for Milvus to say.
#[derive(Debug)]
pub struct MilvusIndex {
    items: Arc<MilvusItems>,
    factory: Arc<str>,
    kind: Option<MilvusIndexKind>,
}

impl MilvusIndex {
    /// Whether this build can speak with Milvus.
    pub const AVAILABLE: bool = MilvusItems::AVAILABLE;

    /// Opens a collection as an index alone, or makes it: its items have their keys for names, and no texts.
    ///
    /// # Errors
    ///
    /// As [`MilvusItems::open`].
    pub fn open(config: &MilvusConfig, space: &VectorSpace) -> Result<Self, MilvusError> {
        Ok(Self::of(Arc::new(MilvusItems::open(config, space)?)))
    }

    pub(super) fn of(items: Arc<MilvusItems>) -> Self {
        Self {
            factory: format!("Milvus/{}", items.index_name()).into(),
            kind: items.index_name().parse().ok(),
            items,
        }
    }
}

impl Index for MilvusIndex {
    fn factory(&self) -> Arc<str> {
        Arc::clone(&self.factory)
    }

    /// `cuda` where the kind of the index is one that the cluster searches on its GPUs.
    fn device(&self) -> &str {
        match self.kind {
            Some(kind) if kind.is_on_gpu() => "cuda",
            _ => "cpu",
        }
    }

    fn dimension(&self) -> usize {
        self.items.space().dimension
    }

    fn len(&self) -> usize {
        self.items.last_count()
    }

    fn upsert(&self, rows: &[(u64, &[f32])]) -> Result<(), IndexError> {
        let mut places = HashMap::new();
        let mut items: Vec<StoredItem> = Vec::with_capacity(rows.len());
        let mut keys = Vec::with_capacity(rows.len());
        for (key, vector) in rows {
            check_vector(vector, self.dimension())?;
            if i64::try_from(*key).is_err() {
                return Err(IndexError::Backend {
                    backend: "Milvus",
                    message: format!("the key {key} is larger than 2⁶³ - 1"),
                });
            }
            let item = StoredItem {
                id: key.to_string(),
                text: String::new(),
                metadata: Value::Object(serde_json::Map::new()),
                vector: vector.to_vec(),
            };
            match places.get(key) {
                Some(&place) => items[place] = item,
                None => {
                    places.insert(*key, items.len());
                    keys.push(*key);
                    items.push(item);
                }
            }
        }
        self.items.write(&keys, &items)?;
        self.items.count()?;
        Ok(())
    }

    fn remove(&self, ids: &[u64]) -> Result<usize, IndexError> {
        let ids: HashSet<_> = ids
            .iter()
            .copied()
            .filter(|id| i64::try_from(*id).is_ok())
            .collect();
        let there = self.items.present(&ids.into_iter().collect::<Vec<_>>())?;
        self.items.remove(&there)?;
        self.items.count()?;
        Ok(there.len())
    }

    fn search_many(
        &self,
        queries: &[&[f32]],
        k: usize,
        among: Option<&HashSet<u64>>,
    ) -> Result<Vec<Vec<Neighbour>>, IndexError> {
        Ok(match among {
            Some(keys) if keys.is_empty() => {
                for query in queries {
                    check_vector(query, self.dimension())?;
                }
                vec![Vec::new(); queries.len()]
            }
            Some(keys) => self.items.search_among(queries, k, keys)?,
            None => self.items.search(queries, k, None)?,
        })
    }

    fn misses_none(&self) -> bool {
        self.kind.is_some_and(MilvusIndexKind::misses_none)
    }

    fn reset(&self) -> Result<(), IndexError> {
        Ok(self.items.reset()?)
    }

    /// There is nothing to write: Milvus keeps what it was told.
    fn save(&self, _path: &Path, _stamp: &Stamp) -> Result<(), IndexError> {
        Ok(())
    }

    /// There is nothing to read: what Milvus keeps is there.
    fn load(&self, _path: &Path, _expected: &Stamp) -> Result<(), IndexError> {
        Ok(())
    }
}
