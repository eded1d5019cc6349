//! FAISS's flat index, one per block.
//!
//! Keys stay on our side of the border, so FAISS sees positions only, and its id maps, selectors and
//! `remove_ids` are not needed. The typed flat index is searched through a shared reference. One
//! query at a time makes FAISS's loop over queries a loop of one: it starts no thread of its own and
//! does not enter BLAS (that begins at 20 queries), so the service alone decides how many searches
//! run at once.
//!
//! FAISS proposes and [`dot`] scores: the candidates' scores are computed again by the exact index's
//! function. FAISS sums in another order, which moves a score by about 1e-7 and would make the order
//! of equal texts a matter of their position in a block.

use ::faiss::{ConcurrentIndex, FlatIndex, Index as _};

use super::exact::dot;
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
    flat: FlatIndex,
}

impl Rows for FlatRows {
    const FACTORY: &'static str = "Flat";

    fn new(dimension: usize, values: Vec<f32>) -> Result<Self, IndexError> {
        let components = u32::try_from(dimension)
            .map_err(|_| failed(format!("it cannot hold vectors of {dimension} components")))?;
        let mut flat = FlatIndex::new_ip(components).map_err(failed)?;
        flat.add(&values).map_err(failed)?;
        Ok(Self { dimension, flat })
    }

    fn values(&self) -> &[f32] {
        self.flat.xb()
    }

    fn nearest(&self, query: &[f32], k: usize) -> Result<Vec<(usize, f32)>, IndexError> {
        let values = self.values();
        let rows = values.len() / self.dimension;
        let mut take = (k + 8).min(rows);
        loop {
            let found = ConcurrentIndex::search(&self.flat, query, take).map_err(failed)?;
            // Rows that may tie with the last wanted one, once rounding is put aside, are needed too.
            let complete = take == rows || {
                let last = found.distances[k - 1];
                found.distances[take - 1] < last - 1e-5 * (1.0 + last.abs())
            };
            if complete {
                let positions = found.labels.iter().filter_map(|label| label.get());
                return Ok(positions
                    .filter_map(|position| usize::try_from(position).ok())
                    .map(|position| {
                        let start = position * self.dimension;
                        (position, dot(query, &values[start..start + self.dimension]))
                    })
                    .collect());
            }
            take = (take * 2).min(rows);
        }
    }
}

fn failed(error: impl std::fmt::Display) -> IndexError {
    IndexError::Backend {
        backend: "FAISS",
        message: error.to_string(),
    }
}
