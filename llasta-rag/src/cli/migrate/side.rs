//! One side of a migration.

use std::collections::HashMap;
use std::path::Path;

use llasta_rag::index::{Neighbour, nearest_of};
use llasta_rag::milvus::{MilvusError, MilvusItems};
use llasta_rag::store::{Row, Store, StoreError, StoredItem, VectorSpace};

use super::PAGE;
use crate::cli::args::{MigrateArgs, Place};
use crate::cli::failure::Failure;

/// Where items come from, or go to.
#[derive(Debug)]
pub(super) enum Side {
    Folder(Box<Store>),
    Milvus(Box<MilvusItems>),
}

/// A result of a search.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) id: String,
    pub(super) score: f32,
}

impl Side {
    /// A place that is there.
    pub(super) fn open(place: &Place, arguments: &MigrateArgs) -> Result<Self, Failure> {
        match place {
            Place::Folder(folder) => {
                // Opening would make one.
                if !folder.join("store.db").is_file() {
                    return Err(Failure::new(format!(
                        "there is no store in {}: name faiss-wrap's folder with --from",
                        folder.display()
                    )));
                }
                Self::store(folder)
            }
            Place::Milvus(url) => {
                let config = arguments.how.config(url.clone());
                let items = MilvusItems::open_existing(&config).map_err(milvus)?;
                Ok(Self::Milvus(Box::new(items)))
            }
        }
    }

    /// A place for vectors of this space, made when missing.
    pub(super) fn open_for(
        place: &Place,
        arguments: &MigrateArgs,
        space: &VectorSpace,
    ) -> Result<Self, Failure> {
        match place {
            Place::Folder(folder) => {
                let side = Self::store(folder)?;
                if let Self::Folder(store) = &side {
                    store.claim(space).map_err(|error| match error {
                        StoreError::OtherSpace { recorded, wanted } => Failure::new(format!(
                            "nothing was moved: the vectors are of {wanted}, and those in {} of {recorded}; choose another folder with --to",
                            folder.display()
                        )),
                        error => store_failed(error),
                    })?;
                }
                Ok(side)
            }
            Place::Milvus(url) => {
                let mut config = arguments.how.config(url.clone());
                config.index = arguments.milvus_index;
                let items = MilvusItems::open(&config, space).map_err(|error| match error {
                    MilvusError::OtherSpace {
                        collection,
                        recorded,
                        wanted,
                    } => Failure::new(format!(
                        "nothing was moved: the vectors are of {wanted}, and those in the collection {collection} of {recorded}; choose another collection with --to"
                    )),
                    error => milvus(error),
                })?;
                Ok(Self::Milvus(Box::new(items)))
            }
        }
    }

    fn store(folder: &Path) -> Result<Self, Failure> {
        let store = Store::open(folder).map_err(store_failed)?;
        Ok(Self::Folder(Box::new(store)))
    }

    /// What its vectors were made with.
    pub(super) fn space(&self) -> Result<VectorSpace, Failure> {
        match self {
            Self::Folder(store) => store
                .space()
                .map_err(store_failed)?
                .ok_or_else(|| store_failed(StoreError::Unclaimed)),
            Self::Milvus(items) => Ok(items.space().clone()),
        }
    }

    pub(super) fn count(&self) -> Result<usize, Failure> {
        match self {
            Self::Folder(store) => store.count().map_err(store_failed),
            Self::Milvus(items) => items.count().map_err(milvus),
        }
    }

    /// The next at most `limit` items after a key.
    pub(super) fn page(&self, after: u64, limit: usize) -> Result<Vec<(u64, StoredItem)>, Failure> {
        match self {
            Self::Folder(store) => {
                let vectors = store.vectors_after(after, limit).map_err(store_failed)?;
                let keys: Vec<_> = vectors.iter().map(|(key, _)| *key).collect();
                let rows = store.get(&keys).map_err(store_failed)?;
                Ok(whole(rows, vectors))
            }
            Self::Milvus(items) => items.items_after(after, limit).map_err(milvus),
        }
    }

    pub(super) fn write(&self, items: &[StoredItem]) -> Result<(), Failure> {
        if items.is_empty() {
            return Ok(());
        }
        match self {
            Self::Folder(store) => store.upsert(items).map(|_| ()).map_err(store_failed),
            Self::Milvus(there) => there.upsert(items).map_err(milvus),
        }
    }

    /// Those of these items that are not there, or not so.
    pub(super) fn lacks(&self, items: Vec<StoredItem>) -> Result<Vec<StoredItem>, Failure> {
        let (rows, vectors) = match self {
            Self::Folder(store) => {
                let ids: Vec<_> = items.iter().map(|item| item.id.as_str()).collect();
                let keys = store.keys_of(&ids).map_err(store_failed)?;
                let rows = store.get(&keys).map_err(store_failed)?;
                (rows, store.vectors(&keys).map_err(store_failed)?)
            }
            Self::Milvus(there) => {
                let keys = items.iter().map(|item| MilvusItems::key_of(&item.id));
                let keys: Vec<_> = keys.collect();
                let rows = there.get(&keys).map_err(milvus)?;
                (rows, there.vectors(&keys).map_err(milvus)?)
            }
        };
        let there: HashMap<_, _> = whole(rows, vectors)
            .into_iter()
            .map(|(_, item)| (item.id.clone(), item))
            .collect();
        let lacking = items.into_iter();
        Ok(lacking
            .filter(|item| there.get(&item.id) != Some(item))
            .collect())
    }

    /// The nearest items to each query, as this side searches.
    pub(super) fn nearest(&self, queries: &[&[f32]], k: usize) -> Result<Vec<Vec<Found>>, Failure> {
        match self {
            Self::Folder(_) => self.nearest_exactly(queries, k),
            Self::Milvus(items) => {
                let lists = items.search(queries, k, None).map_err(milvus)?;
                self.named(lists)
            }
        }
    }

    /// The nearest items to each query, compared with every vector there is.
    pub(super) fn nearest_exactly(
        &self,
        queries: &[&[f32]],
        k: usize,
    ) -> Result<Vec<Vec<Found>>, Failure> {
        let mut best: Vec<Vec<Neighbour>> = vec![Vec::new(); queries.len()];
        let mut last = 0;
        loop {
            let page: Vec<_> = match self {
                Self::Folder(store) => store.vectors_after(last, PAGE).map_err(store_failed)?,
                Self::Milvus(_) => {
                    let items = self.page(last, PAGE)?.into_iter();
                    items.map(|(key, item)| (key, item.vector)).collect()
                }
            };
            let Some(&(end, _)) = page.last() else { break };
            last = end;
            for (query, best) in queries.iter().zip(&mut best) {
                best.extend(nearest_of(query, &page, k));
                best.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
                best.truncate(k);
            }
        }
        self.named(best)
    }

    fn named(&self, lists: Vec<Vec<Neighbour>>) -> Result<Vec<Vec<Found>>, Failure> {
        let mut named = Vec::with_capacity(lists.len());
        for list in lists {
            let keys: Vec<_> = list.iter().map(|neighbour| neighbour.id).collect();
            let scores: HashMap<_, _> = list.iter().map(|near| (near.id, near.score)).collect();
            let rows = match self {
                Self::Folder(store) => store.get(&keys).map_err(store_failed)?,
                Self::Milvus(items) => items.get(&keys).map_err(milvus)?,
            };
            let found = rows.into_iter().map(|row| Found {
                score: scores.get(&row.key).copied().unwrap_or_default(),
                id: row.id,
            });
            named.push(found.collect());
        }
        Ok(named)
    }
}

/// Rows with their vectors. A row that went meanwhile is left out.
fn whole(rows: Vec<Row>, vectors: Vec<(u64, Vec<f32>)>) -> Vec<(u64, StoredItem)> {
    let mut vectors: HashMap<_, _> = vectors.into_iter().collect();
    let whole = rows.into_iter().filter_map(|row| {
        let vector = vectors.remove(&row.key)?;
        let item = StoredItem {
            id: row.id,
            text: row.text,
            metadata: row.metadata,
            vector,
        };
        Some((row.key, item))
    });
    whole.collect()
}

#[allow(clippy::needless_pass_by_value)]
fn store_failed(error: StoreError) -> Failure {
    Failure::of("the migration stopped", &error)
}

#[allow(clippy::needless_pass_by_value)]
fn milvus(error: MilvusError) -> Failure {
    Failure::of("the migration stopped", &error)
}
