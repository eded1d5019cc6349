//! FAISS's flat index, one per block.
//!
//! Keys stay on our side of the border, so FAISS sees positions only, and its id maps, selectors and
//! `remove_ids` are not needed. A search starts no thread of its own, so the service alone decides
//! how many run at once. Twenty queries or more in one call are one matrix product.
//!
//! FAISS proposes and [`dot`] scores: the candidates' scores are computed again by the exact index's
//! function. FAISS sums in another order, which moves a score by about 1e-7 and would make the order
//! of equal texts a matter of their position in a block.

use super::exact::dot;
use super::ffi::{Narrowed, Native, one_thread};
use super::{BlockIndex, IndexError, Rows};

/// FAISS's `Flat` index under our own keys.
pub type FaissIndex = BlockIndex<FlatRows>;

impl FaissIndex {
    /// Whether this build has FAISS.
    pub const AVAILABLE: bool = true;
}

/// One block of [`FaissIndex`].
#[derive(Debug)]
pub struct FlatRows {
    dimension: usize,
    flat: Native,
}

impl Rows for FlatRows {
    const FACTORY: &'static str = "Flat";

    fn new(dimension: usize, values: Vec<f32>) -> Result<Self, IndexError> {
        let flat = Native::flat(dimension, &values)?;
        Ok(Self { dimension, flat })
    }

    fn values(&self) -> &[f32] {
        self.flat.flat_values()
    }

    fn score(&self, position: usize, query: &[f32]) -> f32 {
        let start = position * self.dimension;
        dot(query, &self.values()[start..start + self.dimension])
    }

    fn nearest(&self, queries: &[f32], k: usize) -> Result<Vec<Vec<(usize, f32)>>, IndexError> {
        let rows = self.flat.len();
        let k = k.min(rows);
        let take = (k + 8).min(rows);
        one_thread();
        let found = self.flat.search(queries, take, Narrowed::default())?;
        let queries = queries.chunks_exact(self.dimension).enumerate();
        queries
            .map(|(number, query)| {
                let mut proposed: Vec<_> = found.of(number).collect();
                // Rows that may tie with the last wanted one, once rounding is put aside, are needed
                // too.
                let mut take = take;
                while take < rows && proposed[take - 1].1 >= Self::doubtful(proposed[k - 1].1) {
                    take = (take * 2).min(rows);
                    let again = self.flat.search(query, take, Narrowed::default())?;
                    proposed = again.of(0).collect();
                }
                Ok(proposed)
            })
            .collect()
    }

    fn doubtful(score: f32) -> f32 {
        score - 1e-5 * (1.0 + score.abs())
    }
}
