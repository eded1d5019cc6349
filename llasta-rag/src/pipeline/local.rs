//! The shelf of one machine: a store in a folder, and an index that mirrors it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{CollectionError, Shelf};
use crate::index::{Index, IndexError, Neighbour, Stamp, nearest_of};
use crate::store::{Filter, Named, Row, Store, StoredItem, VectorSpace};

/// How many rows are read at a time when the index is made anew.
pub(super) const PAGE: usize = 1024;

/// How many candidates a compressed index is asked for, for each result wanted.
const PROPOSED_PER_RESULT: usize = 4;

/// A filter that leaves at most so many items is answered from the stored vectors of all of them, where
/// the index might miss one. Reading more costs more than a search.
const RANKED_ONE_BY_ONE: usize = 4096;

/// Items in a folder.
///
/// An upsert writes the store in one transaction and then the index: its items are stored all or none.
/// Searches wait for neither; upserts wait for each other.
#[derive(Debug)]
pub(super) struct LocalShelf {
    store: Store,
    index: Arc<dyn Index>,
    space: VectorSpace,
    index_path: PathBuf,
    mirror: Mutex<Mirror>,
}

/// How the index stands to the store. Whoever changes either holds the lock.
#[derive(Debug)]
struct Mirror {
    /// Whether the index has everything the store has.
    in_step: bool,
    /// The generation that the index file mirrors.
    saved: Option<u64>,
}

impl LocalShelf {
    /// The store of a folder, with an index that is loaded from its file if that mirrors the store, and
    /// else rebuilt from the store.
    pub(super) fn over(
        dir: &Path,
        store: Store,
        index: Arc<dyn Index>,
        space: VectorSpace,
    ) -> Result<Self, CollectionError> {
        let mirror = Mutex::new(Mirror {
            in_step: false,
            saved: None,
        });
        let index_path = dir.join("index.bin");
        let shelf = Self {
            store,
            index,
            space,
            index_path,
            mirror,
        };
        shelf.load()?;
        Ok(shelf)
    }

    /// Loads the index file, or says why not and rebuilds the index.
    fn load(&self) -> Result<(), CollectionError> {
        let mut mirror = self.mirror();
        let stamp = self.stamp()?;
        let stored = self.store.count()?;
        match self.index.load(&self.index_path, &stamp) {
            Ok(()) if self.index.len() == stored => {
                tracing::info!(
                    vectors = stored,
                    generation = stamp.generation,
                    "index loaded"
                );
                *mirror = Mirror {
                    in_step: true,
                    saved: Some(stamp.generation),
                };
                return Ok(());
            }
            Ok(()) => {
                let vectors = self.index.len();
                tracing::warn!(vectors, stored, "the index file does not mirror the store");
            }
            Err(IndexError::NoFile { .. }) if stored == 0 => {}
            Err(
                reason @ (IndexError::NoFile { .. }
                | IndexError::Stale { .. }
                | IndexError::OtherKind { .. }),
            ) => {
                tracing::info!(%reason, "index not loaded");
            }
            // The index is whole: to make it anew would end the same way.
            Err(
                refusal @ (IndexError::NotOnGpu { .. }
                | IndexError::Gpu { .. }
                | IndexError::GpuMemory { .. }),
            ) => return Err(refusal.into()),
            Err(reason) => tracing::warn!(%reason, "index not loaded"),
        }
        self.catch_up(&mut mirror)
    }

    /// Rebuilds the index from the store, unless it is in step.
    fn catch_up(&self, mirror: &mut Mirror) -> Result<(), CollectionError> {
        if mirror.in_step {
            return Ok(());
        }
        self.index.reset()?;
        let mut last = 0;
        loop {
            let page = self.store.vectors_after(last, PAGE)?;
            let Some(&(end, _)) = page.last() else { break };
            last = end;
            let rows: Vec<_> = page
                .iter()
                .map(|(key, vector)| (*key, vector.as_slice()))
                .collect();
            self.index.upsert(&rows)?;
        }
        if last > 0 {
            tracing::info!(vectors = self.index.len(), "index rebuilt from the store");
        }
        mirror.in_step = true;
        Ok(())
    }

    fn stamp(&self) -> Result<Stamp, CollectionError> {
        Ok(Stamp {
            generation: self.store.generation()?,
            dimension: self.space.dimension,
            model: self.space.model.clone(),
        })
    }

    fn nearest_among(
        &self,
        query: &[f32],
        k: usize,
        among: Option<&HashSet<u64>>,
    ) -> Result<Vec<Neighbour>, CollectionError> {
        if let Some(keys) = among.filter(|keys| keys.len() <= RANKED_ONE_BY_ONE)
            && !self.index.misses_none()
        {
            let keys: Vec<_> = keys.iter().copied().collect();
            return Ok(nearest_of(query, &self.store.vectors(&keys)?, k));
        }
        let exact = self.index.scores_are_exact();
        let mut found = self.index.search_many(&[query], self.proposed(k), among)?;
        let found = found.pop().unwrap_or_default();
        if exact {
            return Ok(found);
        }
        // A compressed index proposes; the stored vectors say in which order, and how near.
        let keys: Vec<_> = found.iter().map(|neighbour| neighbour.id).collect();
        Ok(nearest_of(query, &self.store.vectors(&keys)?, k))
    }

    /// How many candidates the index is asked for.
    fn proposed(&self, k: usize) -> usize {
        if self.index.scores_are_exact() {
            k
        } else {
            k.saturating_mul(PROPOSED_PER_RESULT)
        }
    }

    /// A writer that panicked left `in_step` false, so the lock is still good.
    fn mirror(&self) -> MutexGuard<'_, Mirror> {
        self.mirror.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf for LocalShelf {
    fn upsert(&self, items: &[StoredItem]) -> Result<usize, CollectionError> {
        let mut mirror = self.mirror();
        self.catch_up(&mut mirror)?;
        if !items.is_empty() {
            mirror.in_step = false;
            let written = self.store.upsert(items)?;
            let rows: Vec<_> = written
                .keys
                .into_iter()
                .zip(items.iter().map(|item| item.vector.as_slice()))
                .collect();
            self.index.upsert(&rows)?;
            mirror.in_step = true;
        }
        Ok(self.store.count()?)
    }

    fn delete(&self, ids: &[&str]) -> Result<usize, CollectionError> {
        let mut mirror = self.mirror();
        self.catch_up(&mut mirror)?;
        mirror.in_step = false;
        let keys = self.store.delete(ids)?.keys;
        self.index.remove(&keys)?;
        mirror.in_step = true;
        Ok(keys.len())
    }

    fn delete_where(&self, filter: &Filter, keep: &[&str]) -> Result<usize, CollectionError> {
        let mut mirror = self.mirror();
        self.catch_up(&mut mirror)?;
        mirror.in_step = false;
        let keys = self.store.delete_where(filter, keep)?.keys;
        self.index.remove(&keys)?;
        mirror.in_step = true;
        Ok(keys.len())
    }

    fn nearest(
        &self,
        query: &[f32],
        k: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Neighbour>, CollectionError> {
        match filter {
            None => self.nearest_among(query, k, None),
            Some(filter) => self.nearest_among(query, k, Some(&self.store.keys(filter)?)),
        }
    }

    fn get(&self, keys: &[u64]) -> Result<Vec<Row>, CollectionError> {
        Ok(self.store.get(keys)?)
    }

    fn vectors(&self, keys: &[u64]) -> Result<Vec<(u64, Vec<f32>)>, CollectionError> {
        Ok(self.store.vectors(keys)?)
    }

    fn list(
        &self,
        filter: Option<&Filter>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Named>, CollectionError> {
        Ok(self.store.list(filter, after, limit)?)
    }

    fn count(&self) -> Result<usize, CollectionError> {
        Ok(self.store.count()?)
    }

    fn reset(&self) -> Result<(), CollectionError> {
        let mut mirror = self.mirror();
        mirror.in_step = false;
        self.store.reset()?;
        self.index.reset()?;
        mirror.in_step = true;
        Ok(())
    }

    /// Writes the index file, unless it mirrors the store already. Searches go on meanwhile, upserts wait.
    fn save(&self) -> Result<(), CollectionError> {
        let mut mirror = self.mirror();
        self.catch_up(&mut mirror)?;
        let stamp = self.stamp()?;
        if mirror.saved != Some(stamp.generation) {
            self.index.save(&self.index_path, &stamp)?;
            mirror.saved = Some(stamp.generation);
        }
        Ok(())
    }

    fn device_for(&self, k: usize, filtered: bool) -> &str {
        self.index.device_for(self.proposed(k), filtered)
    }

    fn index(&self) -> &dyn Index {
        self.index.as_ref()
    }

    fn store(&self) -> Option<&Store> {
        Some(&self.store)
    }

    fn prepare_text_search(&self) -> Result<(), CollectionError> {
        Ok(self.store.prepare_text_search()?)
    }

    fn search_text(
        &self,
        words: &[&str],
        k: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<u64>, CollectionError> {
        self.store.prepare_text_search()?;
        Ok(self.store.search_text(words, k, filter)?)
    }
}
