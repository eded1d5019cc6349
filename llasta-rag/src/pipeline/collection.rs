//! The store, the index and the embedder as one.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Item, SearchResult};
use crate::embed::{EmbedError, Embedder};
use crate::index::{Index, IndexConfig, IndexError, Neighbour, Stamp, check_vector, nearest_of};
use crate::store::{Filter, Store, StoreError, StoredItem, VectorSpace};

/// How many rows are read or embedded at a time when the index or the vectors are made anew.
const PAGE: usize = 1024;

/// How many candidates a compressed index is asked for, for each result wanted.
const PROPOSED_PER_RESULT: usize = 4;

/// A filter that leaves at most so many items is answered from the stored vectors of all of them, where
/// the index might miss one. Reading more costs more than a search.
const RANKED_ONE_BY_ONE: usize = 4096;

/// Texts that can be found by meaning, kept in one folder.
///
/// An upsert writes the store in one transaction and then the index. Searches wait for neither;
/// upserts wait for each other, but not while they embed.
#[derive(Debug)]
pub struct Collection {
    store: Store,
    index: Arc<dyn Index>,
    embedder: Arc<dyn Embedder>,
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

/// What an upsert did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upserted {
    /// Items written, each id counted once.
    pub upserted: usize,
    /// Items stored since then.
    pub total_items: usize,
}

/// Why a collection refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectionError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index refused.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The embedder failed.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The embedder broke its promise.
    #[error(
        "the embedding model {model} returned {given} vectors for {expected} texts: this is an error in the embedder"
    )]
    VectorCount {
        /// The model's name.
        model: String,
        /// How many texts there were.
        expected: usize,
        /// How many vectors came back.
        given: usize,
    },
    /// An item without a name.
    #[error("item {position} has a blank id: give each item an id of its own")]
    BlankId {
        /// Its position in the request, from 0.
        position: usize,
    },
}

impl Collection {
    /// Opens the collection in a folder, or makes both. The index is loaded from its file if that
    /// mirrors the store, and else rebuilt from the store.
    ///
    /// # Errors
    ///
    /// [`StoreError::OtherSpace`] where the stored vectors are of another model (see
    /// [`open_reembedding`](Self::open_reembedding)), whatever else keeps the store from opening, or
    /// an index kind that is not compiled in.
    pub fn open(
        dir: &Path,
        embedder: Arc<dyn Embedder>,
        index: impl Into<IndexConfig>,
    ) -> Result<Self, CollectionError> {
        let index = index.into().create(embedder.dimension())?;
        let store = Store::open(dir)?;
        store.claim(&space_of(embedder.as_ref()))?;
        Self::over(dir, store, index, embedder)
    }

    /// Like [`open`](Self::open), but where the stored vectors are of another model, every stored text
    /// is embedded again first. Nothing is changed if that fails.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open) but for another model, or a failing embedder.
    pub fn open_reembedding(
        dir: &Path,
        embedder: Arc<dyn Embedder>,
        index: impl Into<IndexConfig>,
    ) -> Result<Self, CollectionError> {
        let index = index.into().create(embedder.dimension())?;
        let store = Store::open(dir)?;
        let wanted = space_of(embedder.as_ref());
        match store.claim(&wanted) {
            Err(StoreError::OtherSpace { recorded, .. }) => {
                tracing::info!(
                    from = %recorded, to = %wanted, items = store.count()?,
                    "embedding the stored texts again"
                );
                store.reembed(&wanted, PAGE, |texts| embed_all(embedder.as_ref(), texts))?;
            }
            claimed => claimed?,
        }
        Self::over(dir, store, index, embedder)
    }

    fn over(
        dir: &Path,
        store: Store,
        index: Arc<dyn Index>,
        embedder: Arc<dyn Embedder>,
    ) -> Result<Self, CollectionError> {
        let mirror = Mutex::new(Mirror {
            in_step: false,
            saved: None,
        });
        let index_path = dir.join("index.bin");
        let collection = Self {
            store,
            index,
            embedder,
            index_path,
            mirror,
        };
        collection.load()?;
        Ok(collection)
    }

    /// Embeds and stores items. Of an id given twice the last wins, and only that one is embedded.
    ///
    /// # Errors
    ///
    /// A blank id, a failing embedder, store or index. When this returns an error the items may or may
    /// not be stored, but never some of them without the others.
    pub fn upsert(&self, items: Vec<Item>) -> Result<Upserted, CollectionError> {
        let items = last_of_each_id(items)?;
        let texts: Vec<_> = items.iter().map(|item| item.text.as_str()).collect();
        let vectors = embed_all(self.embedder.as_ref(), &texts)?;
        let stored: Vec<_> = items
            .into_iter()
            .zip(vectors)
            .map(|(Item { id, text, metadata }, vector)| StoredItem {
                id,
                text,
                metadata,
                vector,
            })
            .collect();

        let mut mirror = self.mirror();
        self.catch_up(&mut mirror)?;
        if !stored.is_empty() {
            mirror.in_step = false;
            let written = self.store.upsert(&stored)?;
            let rows: Vec<_> = written
                .keys
                .into_iter()
                .zip(stored.iter().map(|item| item.vector.as_slice()))
                .collect();
            self.index.upsert(&rows)?;
            mirror.in_step = true;
        }
        Ok(Upserted {
            upserted: stored.len(),
            total_items: self.store.count()?,
        })
    }

    /// Deletes items and returns how many were there.
    ///
    /// # Errors
    ///
    /// A failing store or index.
    pub fn delete<S: AsRef<str>>(&self, ids: &[S]) -> Result<usize, CollectionError> {
        let mut mirror = self.mirror();
        self.catch_up(&mut mirror)?;
        mirror.in_step = false;
        let keys = self.store.delete(ids)?.keys;
        self.index.remove(&keys)?;
        mirror.in_step = true;
        Ok(keys.len())
    }

    /// Deletes the items that a filter means, except those with an id of `keep`, and returns how many
    /// those were. All of them go at once.
    ///
    /// # Errors
    ///
    /// A failing store or index.
    pub fn delete_where<S: AsRef<str>>(
        &self,
        filter: &Filter,
        keep: &[S],
    ) -> Result<usize, CollectionError> {
        let mut mirror = self.mirror();
        self.catch_up(&mut mirror)?;
        mirror.in_step = false;
        let keys = self.store.delete_where(filter, keep)?.keys;
        self.index.remove(&keys)?;
        mirror.in_step = true;
        Ok(keys.len())
    }

    /// The query's vector; the zero vector for a query that says nothing.
    ///
    /// # Errors
    ///
    /// A failing embedder.
    pub fn embed_query(&self, query: &str) -> Result<Vec<f32>, CollectionError> {
        let vector = self.embedder.embed_query(query)?;
        check_vector(&vector, self.embedder.dimension())?;
        Ok(vector)
    }

    /// The at most `k` nearest items, best first. The zero vector is near to nothing.
    ///
    /// # Errors
    ///
    /// A vector of another dimension or with a component that is not finite, or a failing index.
    pub fn search_vector(
        &self,
        query: &[f32],
        k: usize,
    ) -> Result<Vec<Neighbour>, CollectionError> {
        self.nearest(query, k, None)
    }

    /// Like [`search_vector`](Self::search_vector), of the items that a filter means. Where these are
    /// few, up to 4,096, none is missed, whatever the index.
    ///
    /// # Errors
    ///
    /// As [`search_vector`](Self::search_vector), or a failing store.
    pub fn search_among(
        &self,
        query: &[f32],
        k: usize,
        filter: &Filter,
    ) -> Result<Vec<Neighbour>, CollectionError> {
        self.nearest(query, k, Some(&self.store.keys(filter)?))
    }

    /// The texts and metadata of neighbours, in the same order. One that was deleted since the search
    /// is left out.
    ///
    /// # Errors
    ///
    /// A failing store.
    pub fn fetch(&self, neighbours: &[Neighbour]) -> Result<Vec<SearchResult>, CollectionError> {
        let keys: Vec<_> = neighbours.iter().map(|neighbour| neighbour.id).collect();
        let scores: HashMap<_, _> = neighbours
            .iter()
            .map(|neighbour| (neighbour.id, neighbour.score))
            .collect();
        let rows = self.store.get(&keys)?;
        Ok(rows
            .into_iter()
            .map(|row| SearchResult {
                id: row.id,
                text: row.text,
                metadata: row.metadata,
                score: scores.get(&row.key).copied().unwrap_or_default(),
            })
            .collect())
    }

    /// Forgets every item.
    ///
    /// # Errors
    ///
    /// A failing store or index.
    pub fn reset(&self) -> Result<(), CollectionError> {
        let mut mirror = self.mirror();
        mirror.in_step = false;
        self.store.reset()?;
        self.index.reset()?;
        mirror.in_step = true;
        Ok(())
    }

    /// Writes the index file, unless it mirrors the store already. Without it the next start rebuilds
    /// the index, which takes longer and loses nothing. Searches go on meanwhile, upserts wait.
    ///
    /// # Errors
    ///
    /// A file that cannot be written, or a failing store.
    pub fn save(&self) -> Result<(), CollectionError> {
        let mut mirror = self.mirror();
        self.catch_up(&mut mirror)?;
        let stamp = self.stamp()?;
        if mirror.saved != Some(stamp.generation) {
            self.index.save(&self.index_path, &stamp)?;
            mirror.saved = Some(stamp.generation);
        }
        Ok(())
    }

    /// How many vectors the index has.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether the index has no vector.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// How many items the store has.
    ///
    /// # Errors
    ///
    /// A failing store.
    pub fn metadata_len(&self) -> Result<usize, CollectionError> {
        Ok(self.store.count()?)
    }

    /// How many components each vector has.
    pub fn dimension(&self) -> usize {
        self.embedder.dimension()
    }

    /// The embedder.
    pub fn embedder(&self) -> &dyn Embedder {
        self.embedder.as_ref()
    }

    /// The index.
    pub fn index(&self) -> &dyn Index {
        self.index.as_ref()
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    fn nearest(
        &self,
        query: &[f32],
        k: usize,
        among: Option<&HashSet<u64>>,
    ) -> Result<Vec<Neighbour>, CollectionError> {
        if query.iter().all(|&value| value == 0.0) {
            return Ok(Vec::new());
        }
        if let Some(keys) = among.filter(|keys| keys.len() <= RANKED_ONE_BY_ONE)
            && !self.index.misses_none()
        {
            let keys: Vec<_> = keys.iter().copied().collect();
            return Ok(nearest_of(query, &self.store.vectors(&keys)?, k));
        }
        let exact = self.index.scores_are_exact();
        let asked = if exact {
            k
        } else {
            k.saturating_mul(PROPOSED_PER_RESULT)
        };
        let mut found = self.index.search_many(&[query], asked, among)?;
        let found = found.pop().unwrap_or_default();
        if exact {
            return Ok(found);
        }
        // A compressed index proposes; the stored vectors say in which order, and how near.
        let keys: Vec<_> = found.iter().map(|neighbour| neighbour.id).collect();
        Ok(nearest_of(query, &self.store.vectors(&keys)?, k))
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
        let VectorSpace { model, dimension } = space_of(self.embedder.as_ref());
        Ok(Stamp {
            generation: self.store.generation()?,
            dimension,
            model,
        })
    }

    /// A writer that panicked left `in_step` false, so the lock is still good.
    fn mirror(&self) -> MutexGuard<'_, Mirror> {
        self.mirror.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn space_of(embedder: &dyn Embedder) -> VectorSpace {
    VectorSpace {
        model: embedder.model().to_owned(),
        dimension: embedder.dimension(),
    }
}

/// Embeds, and checks here what the index would refuse only after the store has taken it.
fn embed_all(embedder: &dyn Embedder, texts: &[&str]) -> Result<Vec<Vec<f32>>, CollectionError> {
    let vectors = embedder.embed(texts)?;
    if vectors.len() != texts.len() {
        let model = embedder.model().to_owned();
        let (expected, given) = (texts.len(), vectors.len());
        return Err(CollectionError::VectorCount {
            model,
            expected,
            given,
        });
    }
    for vector in &vectors {
        check_vector(vector, embedder.dimension())?;
    }
    Ok(vectors)
}

/// The items that count, in the order in which their ids first came.
fn last_of_each_id(items: Vec<Item>) -> Result<Vec<Item>, CollectionError> {
    let mut places = HashMap::new();
    let mut kept: Vec<Item> = Vec::with_capacity(items.len());
    for (position, item) in items.into_iter().enumerate() {
        if item.id.trim().is_empty() {
            return Err(CollectionError::BlankId { position });
        }
        match places.get(&item.id) {
            Some(&place) => kept[place] = item,
            None => {
                places.insert(item.id.clone(), kept.len());
                kept.push(item);
            }
        }
    }
    Ok(kept)
}
