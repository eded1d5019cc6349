//! A shelf and an embedder as one.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::local::{LocalShelf, PAGE};
use super::{Item, SearchResult, Shelf};
use crate::embed::{EmbedError, Embedder};
use crate::index::{Index, IndexConfig, IndexError, IndexKind, Neighbour, check_vector};
use crate::milvus::{MilvusError, MilvusShelf};
use crate::store::{Filter, Named, Store, StoreError, StoredItem, VectorSpace};

/// Texts that can be found by meaning.
///
/// A [`Shelf`] keeps and finds them. Upserts of [`open`](Self::open)'s wait for each other, but not while
/// they embed; searches wait for nobody.
#[derive(Debug)]
pub struct Collection {
    shelf: Arc<dyn Shelf>,
    embedder: Arc<dyn Embedder>,
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
    /// Milvus, or what speaks with it, refused.
    #[error(transparent)]
    Milvus(#[from] MilvusError),
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
    /// Milvus without its address.
    #[error("the index milvus needs the address of a Milvus: set IndexConfig::milvus")]
    NoAddress,
    /// A shelf that cannot find items by their words.
    #[error(
        "the index {index} cannot search by words, which hybrid retrieval does: take dense retrieval (--retrieval dense, RETRIEVAL), or an index of this machine"
    )]
    NoTextSearch {
        /// The index's name.
        index: String,
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
    /// mirrors the store, and else rebuilt from the store. With [`IndexKind::Milvus`] everything is in Milvus,
    /// and the folder is left alone; see [`MilvusItems::open`](crate::milvus::MilvusItems::open).
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
        let index = index.into();
        if index.kind == IndexKind::Milvus {
            return Self::in_milvus(&index, embedder);
        }
        let index = index.create(embedder.dimension())?;
        let store = Store::open(dir)?;
        store.claim(&space_of(embedder.as_ref()))?;
        Self::over(dir, store, index, embedder)
    }

    /// Like [`open`](Self::open), but where the stored vectors are of another model, every stored text
    /// is embedded again first. Nothing is changed if that fails. In Milvus nothing is embedded again.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open) but for another model, or a failing embedder.
    pub fn open_reembedding(
        dir: &Path,
        embedder: Arc<dyn Embedder>,
        index: impl Into<IndexConfig>,
    ) -> Result<Self, CollectionError> {
        let index = index.into();
        if index.kind == IndexKind::Milvus {
            return Self::in_milvus(&index, embedder);
        }
        let index = index.create(embedder.dimension())?;
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

    fn in_milvus(
        index: &IndexConfig,
        embedder: Arc<dyn Embedder>,
    ) -> Result<Self, CollectionError> {
        let config = index.milvus.as_ref().ok_or(CollectionError::NoAddress)?;
        let shelf = MilvusShelf::open(config, &space_of(embedder.as_ref()))?;
        Ok(Self::on(Arc::new(shelf), embedder))
    }

    fn over(
        dir: &Path,
        store: Store,
        index: Arc<dyn Index>,
        embedder: Arc<dyn Embedder>,
    ) -> Result<Self, CollectionError> {
        let space = space_of(embedder.as_ref());
        let shelf = LocalShelf::over(dir, store, index, space)?;
        Ok(Self::on(Arc::new(shelf), embedder))
    }

    /// A collection of what is on a shelf, whose vectors this embedder made.
    pub fn on(shelf: Arc<dyn Shelf>, embedder: Arc<dyn Embedder>) -> Self {
        Self { shelf, embedder }
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

        Ok(Upserted {
            upserted: stored.len(),
            total_items: self.shelf.upsert(&stored)?,
        })
    }

    /// Deletes items and returns how many were there.
    ///
    /// # Errors
    ///
    /// A failing store or index.
    pub fn delete<S: AsRef<str>>(&self, ids: &[S]) -> Result<usize, CollectionError> {
        let ids: Vec<_> = ids.iter().map(AsRef::as_ref).collect();
        self.shelf.delete(&ids)
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
        let keep: Vec<_> = keep.iter().map(AsRef::as_ref).collect();
        self.shelf.delete_where(filter, &keep)
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
        self.nearest(query, k, Some(filter))
    }

    /// Where [`search_vector`](Self::search_vector) for `k` items looks now, or
    /// [`search_among`](Self::search_among) where it is filtered: `cpu`, or a device such as `cuda:0`.
    pub fn device_for(&self, k: usize, filtered: bool) -> &str {
        self.shelf.device_for(k, filtered)
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
        let rows = self.shelf.get(&keys)?;
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

    /// The next at most `limit` items after a key, of those that a filter means; begin after 0, end at an
    /// empty list.
    ///
    /// # Errors
    ///
    /// A failing shelf.
    pub fn list(
        &self,
        filter: Option<&Filter>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Named>, CollectionError> {
        self.shelf.list(filter, after, limit)
    }

    /// Forgets every item.
    ///
    /// # Errors
    ///
    /// A failing store or index.
    pub fn reset(&self) -> Result<(), CollectionError> {
        self.shelf.reset()
    }

    /// Writes the index file, unless it mirrors the store already. Without it the next start rebuilds
    /// the index, which takes longer and loses nothing. Searches go on meanwhile, upserts wait.
    ///
    /// # Errors
    ///
    /// A file that cannot be written, or a failing store.
    pub fn save(&self) -> Result<(), CollectionError> {
        self.shelf.save()
    }

    /// How many vectors the index has.
    pub fn len(&self) -> usize {
        self.index().len()
    }

    /// Whether the index has no vector.
    pub fn is_empty(&self) -> bool {
        self.index().is_empty()
    }

    /// How many items the store has.
    ///
    /// # Errors
    ///
    /// A failing store.
    pub fn metadata_len(&self) -> Result<usize, CollectionError> {
        self.shelf.count()
    }

    /// How many items there are, without waiting for a network: see [`Shelf::known_count`].
    ///
    /// # Errors
    ///
    /// A failing store.
    pub fn known_metadata_len(&self) -> Result<usize, CollectionError> {
        self.shelf.known_count()
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
        self.shelf.index()
    }

    /// The store, where the items are in a folder.
    pub fn store(&self) -> Option<&Store> {
        self.shelf.store()
    }

    /// What keeps the items.
    pub fn shelf(&self) -> &dyn Shelf {
        self.shelf.as_ref()
    }

    fn nearest(
        &self,
        query: &[f32],
        k: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Neighbour>, CollectionError> {
        if query.iter().all(|&value| value == 0.0) {
            return Ok(Vec::new());
        }
        self.shelf.nearest(query, k, filter)
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
