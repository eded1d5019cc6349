//! Snapshots by blocks: what lets searches and upserts run at the same time.
//!
//! The vectors lie in blocks of [`BLOCK_ROWS`] rows, all full but the last. A block never changes
//! once it is published. An upsert copies the blocks it touches, changes the copies and publishes a
//! new list of blocks; a search holds on to the list it began with. So one changed vector costs a copy
//! of one block, whatever the size of the index, and a removal fills its gap with the last row.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::{Index, IndexError, Neighbour, Stamp, check_vector, file};

/// Rows per block. Small enough to copy for one changed vector (4 MiB at 1024 components), large
/// enough that the work per block of a search does not show.
const BLOCK_ROWS: usize = 1024;

/// The rows of one block, and how a backend searches them.
pub trait Rows: fmt::Debug + Send + Sync + Sized + 'static {
    /// What [`Index::factory`] reports.
    const FACTORY: &'static str;

    /// Takes at least one row; `values.len()` is a multiple of `dimension`.
    ///
    /// # Errors
    ///
    /// A failing backend.
    fn new(dimension: usize, values: Vec<f32>) -> Result<Self, IndexError>;

    /// All rows, one after the other.
    fn values(&self) -> &[f32];

    /// The inner product of one row with a query.
    fn score(&self, position: usize, query: &[f32]) -> f32;

    /// For each of the queries, which lie one after the other, rows as (position, about their inner
    /// product), in any order: the `k` best and every row that may tie with the last of them; more do
    /// no harm. `k` is at least 1.
    ///
    /// # Errors
    ///
    /// A failing backend.
    fn nearest(&self, queries: &[f32], k: usize) -> Result<Vec<Vec<(usize, f32)>>, IndexError>;

    /// The least score by [`nearest`](Self::nearest) of a row whose true score may be this one.
    fn doubtful(score: f32) -> f32 {
        score
    }
}

/// An index made of immutable blocks of `R`.
pub struct BlockIndex<R> {
    dimension: usize,
    /// Locked only to clone or to replace the list.
    snapshot: RwLock<Snapshot<R>>,
    /// Where each key's row is, counted over all blocks. Whoever changes the index holds this lock.
    places: Mutex<HashMap<u64, usize>>,
}

/// What a search holds on to.
pub(super) type Snapshot<R> = Arc<Vec<Arc<Block<R>>>>;

/// Rows under their keys.
#[derive(Debug)]
pub(super) struct Block<R> {
    keys: Vec<u64>,
    rows: R,
}

/// A block being changed or made.
#[derive(Default)]
struct Draft {
    keys: Vec<u64>,
    values: Vec<f32>,
}

impl<R: Rows> BlockIndex<R> {
    /// An empty index.
    ///
    /// # Errors
    ///
    /// [`IndexError::NoDimension`] for zero.
    pub fn new(dimension: usize) -> Result<Self, IndexError> {
        if dimension == 0 {
            return Err(IndexError::NoDimension);
        }
        Ok(Self {
            dimension,
            snapshot: RwLock::default(),
            places: Mutex::default(),
        })
    }

    /// The rows as they are now.
    pub(super) fn snapshot(&self) -> Snapshot<R> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self, blocks: Vec<Arc<Block<R>>>) {
        *self
            .snapshot
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(blocks);
    }

    /// Takes the writers' lock. A writer that panicked left the snapshot whole, so the places are
    /// read again from it.
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, usize>> {
        self.places.lock().unwrap_or_else(|poisoned| {
            let mut places = poisoned.into_inner();
            *places = places_in(&self.snapshot());
            self.places.clear_poison();
            places
        })
    }

    /// Publishes `drafts` in the place of the blocks they were made from, and `total` rows in all.
    /// When a block cannot be built nothing is published and the places are read again.
    fn finish(
        &self,
        old: &Snapshot<R>,
        drafts: BTreeMap<usize, Draft>,
        total: usize,
        places: &mut HashMap<u64, usize>,
    ) -> Result<(), IndexError> {
        let mut blocks = old.as_ref().clone();
        for (number, draft) in drafts {
            if draft.keys.is_empty() {
                continue;
            }
            let block = match R::new(self.dimension, draft.values) {
                Ok(rows) => Arc::new(Block {
                    keys: draft.keys,
                    rows,
                }),
                Err(error) => {
                    *places = places_in(old);
                    return Err(error);
                }
            };
            match blocks.get_mut(number) {
                Some(place) => *place = block,
                // Drafts come in ascending order and rows are only added at the end.
                None => blocks.push(block),
            }
        }
        blocks.truncate(total.div_ceil(BLOCK_ROWS));
        self.publish(blocks);
        Ok(())
    }
}

impl<R: Rows> Index for BlockIndex<R> {
    fn factory(&self) -> Arc<str> {
        Arc::from(R::FACTORY)
    }

    fn device(&self) -> &str {
        "cpu"
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn len(&self) -> usize {
        rows_in(&self.snapshot())
    }

    fn upsert(&self, rows: &[(u64, &[f32])]) -> Result<(), IndexError> {
        for (_, row) in rows {
            check_vector(row, self.dimension)?;
        }
        let mut places = self.lock();
        let old = self.snapshot();
        let mut drafts = BTreeMap::new();
        let mut total = rows_in(&old);
        for &(key, row) in rows {
            let place = *places.entry(key).or_insert(total);
            let draft = draft_of(&mut drafts, &old, place / BLOCK_ROWS);
            if place == total {
                draft.keys.push(key);
                draft.values.extend_from_slice(row);
                total += 1;
            } else {
                let start = place % BLOCK_ROWS * self.dimension;
                draft.values[start..start + self.dimension].copy_from_slice(row);
            }
        }
        self.finish(&old, drafts, total, &mut places)
    }

    fn remove(&self, ids: &[u64]) -> Result<usize, IndexError> {
        let mut places = self.lock();
        let old = self.snapshot();
        let mut drafts = BTreeMap::new();
        let before = rows_in(&old);
        let mut total = before;
        for id in ids {
            let Some(place) = places.remove(id) else {
                continue;
            };
            total -= 1;
            let last = draft_of(&mut drafts, &old, total / BLOCK_ROWS);
            let Some(key) = last.keys.pop() else { continue };
            let row = last.values.split_off(last.values.len() - self.dimension);
            if place < total {
                let draft = draft_of(&mut drafts, &old, place / BLOCK_ROWS);
                draft.keys[place % BLOCK_ROWS] = key;
                let start = place % BLOCK_ROWS * self.dimension;
                draft.values[start..start + self.dimension].copy_from_slice(&row);
                places.insert(key, place);
            }
        }
        self.finish(&old, drafts, total, &mut places)?;
        Ok(before - total)
    }

    fn search_many(
        &self,
        queries: &[&[f32]],
        k: usize,
        among: Option<&HashSet<u64>>,
    ) -> Result<Vec<Vec<Neighbour>>, IndexError> {
        for query in queries {
            check_vector(query, self.dimension)?;
        }
        search(&self.snapshot(), queries, k, among)
    }

    fn reset(&self) -> Result<(), IndexError> {
        let mut places = self.lock();
        places.clear();
        self.publish(Vec::new());
        Ok(())
    }

    fn save(&self, path: &Path, stamp: &Stamp) -> Result<(), IndexError> {
        let snapshot = self.snapshot();
        let rows = rows_of(&snapshot, self.dimension);
        file::write(path, stamp, rows_in(&snapshot), rows)
    }

    fn load(&self, path: &Path, expected: &Stamp) -> Result<(), IndexError> {
        let mut places = self.lock();
        let mut blocks = Vec::new();
        let mut draft = Draft::default();
        let build = |draft: Draft| -> Result<_, IndexError> {
            let rows = R::new(self.dimension, draft.values)?;
            Ok(Arc::new(Block {
                keys: draft.keys,
                rows,
            }))
        };
        let main = file::read(path, expected, |key, row| {
            draft.keys.push(key);
            draft.values.extend_from_slice(row);
            if draft.keys.len() == BLOCK_ROWS {
                blocks.push(build(std::mem::take(&mut draft))?);
            }
            Ok(())
        })?;
        if let Some(main) = main {
            return Err(IndexError::OtherKind {
                path: path.to_owned(),
                expected: R::FACTORY.to_owned(),
                found: main.file.factory,
            });
        }
        if !draft.keys.is_empty() {
            blocks.push(build(draft)?);
        }
        let blocks = Arc::new(blocks);
        let found = places_in(&blocks);
        if found.len() != rows_in(&blocks) {
            let reason = "a key occurs twice".to_owned();
            return Err(IndexError::Damaged {
                path: path.to_owned(),
                reason,
            });
        }
        *places = found;
        *self
            .snapshot
            .write()
            .unwrap_or_else(PoisonError::into_inner) = blocks;
        Ok(())
    }
}

impl<R: Rows> fmt::Debug for BlockIndex<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockIndex")
            .field("factory", &R::FACTORY)
            .field("dimension", &self.dimension)
            .field("len", &self.len())
            .finish()
    }
}

/// The at most `k` nearest rows for each query, best first, ties in the order of their keys.
pub(super) fn search<R: Rows>(
    snapshot: &Snapshot<R>,
    queries: &[&[f32]],
    k: usize,
    among: Option<&HashSet<u64>>,
) -> Result<Vec<Vec<Neighbour>>, IndexError> {
    if k == 0 {
        return Ok(vec![Vec::new(); queries.len()]);
    }
    if let Some(keys) = among {
        let searched = queries
            .iter()
            .map(|query| search_among(snapshot, query, k, keys));
        return Ok(searched.collect());
    }
    let together = queries.concat();
    let mut proposed = vec![Vec::new(); queries.len()];
    for block in snapshot.iter() {
        let nearest = block.rows.nearest(&together, k)?;
        for (proposed, nearest) in proposed.iter_mut().zip(nearest) {
            proposed.extend(
                nearest
                    .into_iter()
                    .map(|(position, score)| (score, block, position)),
            );
        }
    }
    let found = queries.iter().zip(proposed);
    Ok(found
        .map(|(query, mut proposed)| {
            // Only what may be among the best is scored exactly.
            if (1..proposed.len()).contains(&k) {
                let (_, &mut (worst, ..), _) =
                    proposed.select_nth_unstable_by(k - 1, |a, b| b.0.total_cmp(&a.0));
                let least = R::doubtful(worst);
                proposed.retain(|&(score, ..)| score >= least);
            }
            let scored = proposed.into_iter().map(|(_, block, position)| Neighbour {
                id: block.keys[position],
                score: block.rows.score(position, query),
            });
            best(scored.collect(), k)
        })
        .collect())
}

/// Like [`search`], of the rows under these keys only; no other is looked at.
fn search_among<R: Rows>(
    snapshot: &Snapshot<R>,
    query: &[f32],
    k: usize,
    keys: &HashSet<u64>,
) -> Vec<Neighbour> {
    let mut found = Vec::new();
    for block in snapshot.iter() {
        let allowed = block.keys.iter().enumerate();
        found.extend(
            allowed
                .filter(|(_, key)| keys.contains(key))
                .map(|(position, &id)| Neighbour {
                    id,
                    score: block.rows.score(position, query),
                }),
        );
    }
    best(found, k)
}

/// The `k` best, best first; equal scores come in the order of their ids.
pub(super) fn best(mut found: Vec<Neighbour>, k: usize) -> Vec<Neighbour> {
    found.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    found.truncate(k);
    found
}

/// Every row under its key.
pub(super) fn rows_of<R: Rows>(
    snapshot: &Snapshot<R>,
    dimension: usize,
) -> impl Iterator<Item = (u64, &[f32])> {
    snapshot.iter().flat_map(move |block| {
        let rows = block.rows.values().chunks_exact(dimension);
        block.keys.iter().copied().zip(rows)
    })
}

/// The draft of block `number`: begun as a copy of the block, or empty behind the last one.
fn draft_of<'a, R: Rows>(
    drafts: &'a mut BTreeMap<usize, Draft>,
    old: &Snapshot<R>,
    number: usize,
) -> &'a mut Draft {
    drafts
        .entry(number)
        .or_insert_with(|| match old.get(number) {
            Some(block) => Draft {
                keys: block.keys.clone(),
                values: block.rows.values().to_vec(),
            },
            None => Draft::default(),
        })
}

/// How many rows there are.
pub(super) fn rows_in<R>(snapshot: &Snapshot<R>) -> usize {
    match snapshot.split_last() {
        Some((last, full)) => full.len() * BLOCK_ROWS + last.keys.len(),
        None => 0,
    }
}

fn places_in<R>(snapshot: &Snapshot<R>) -> HashMap<u64, usize> {
    let keys = snapshot.iter().flat_map(|block| block.keys.iter().copied());
    keys.enumerate().map(|(place, key)| (key, place)).collect()
}
