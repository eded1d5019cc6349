//! The exact index in pure Rust: every vector is compared with the query.
//!
//! It needs no toolchain but Rust, and it is the oracle that FAISS must agree with.

use super::{BlockIndex, IndexError, Rows};

/// Compares the query with every vector. Reports its factory as `Exact`.
pub type ExactIndex = BlockIndex<ExactRows>;

/// One block of [`ExactIndex`].
#[derive(Debug)]
pub struct ExactRows {
    dimension: usize,
    values: Vec<f32>,
}

impl Rows for ExactRows {
    const FACTORY: &'static str = "Exact";

    fn new(dimension: usize, values: Vec<f32>) -> Result<Self, IndexError> {
        Ok(Self { dimension, values })
    }

    fn values(&self) -> &[f32] {
        &self.values
    }

    fn score(&self, position: usize, query: &[f32]) -> f32 {
        let start = position * self.dimension;
        dot(query, &self.values[start..start + self.dimension])
    }

    fn nearest(&self, queries: &[f32], k: usize) -> Result<Vec<Vec<(usize, f32)>>, IndexError> {
        let queries = queries.chunks_exact(self.dimension);
        Ok(queries.map(|query| self.nearest_one(query, k)).collect())
    }
}

impl ExactRows {
    fn nearest_one(&self, query: &[f32], k: usize) -> Vec<(usize, f32)> {
        let rows = self.values.chunks_exact(self.dimension);
        let mut scored: Vec<_> = rows
            .enumerate()
            .map(|(position, row)| (position, dot(query, row)))
            .collect();
        if (1..scored.len()).contains(&k) {
            let (_, &mut (_, worst), _) =
                scored.select_nth_unstable_by(k - 1, |a, b| b.1.total_cmp(&a.1));
            scored.retain(|&(_, score)| score >= worst);
        }
        scored
    }
}

/// The inner product, summed in 16 lanes so that the compiler can use the machine's vector
/// instructions. The order of the sums is fixed: the same vectors give the same score everywhere.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let (a_lanes, a_rest) = a.as_chunks::<LANES>();
    let (b_lanes, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for (x, y) in a_lanes.iter().zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    a_rest
        .iter()
        .zip(b_rest)
        .fold(sums[0], |sum, (x, y)| sum + x * y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Index;

    #[test]
    fn the_inner_product_equals_the_plain_sum_at_every_length() {
        for length in 0..70_u8 {
            let a: Vec<f32> = (0..length).map(f32::from).collect();
            let b: Vec<f32> = (0..length).map(|i| f32::from(i % 7) - 3.0).collect();
            let plain: f32 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
            assert_eq!(dot(&a, &b), plain, "length {length}");
        }
    }

    #[test]
    fn the_best_come_first_and_ties_come_in_the_order_of_their_ids() {
        let index = ExactIndex::new(2).unwrap();
        index
            .upsert(&[
                (9, &[0.0, 1.0]),
                (4, &[1.0, 0.0]),
                (7, &[0.0, 1.0]),
                (1, &[0.6, 0.8]),
            ])
            .unwrap();
        let found = index.search(&[0.0, 1.0], 3).unwrap();
        assert_eq!(found.iter().map(|n| n.id).collect::<Vec<_>>(), [7, 9, 1]);
        assert_eq!(found[2].score, 0.8);
    }

    #[test]
    fn a_tie_at_the_last_place_goes_to_the_smallest_id() {
        let index = ExactIndex::new(1).unwrap();
        index
            .upsert(&[(3, &[1.0]), (2, &[1.0]), (1, &[1.0])])
            .unwrap();
        assert_eq!(index.search(&[1.0], 1).unwrap()[0].id, 1);
    }

    #[test]
    fn a_wrong_dimension_or_a_value_that_is_not_finite_is_refused_and_changes_nothing() {
        let index = ExactIndex::new(2).unwrap();
        assert!(matches!(
            index.upsert(&[(1, &[1.0, 0.0]), (2, &[1.0])]),
            Err(IndexError::Dimension {
                expected: 2,
                given: 1
            })
        ));
        assert!(matches!(
            index.upsert(&[(1, &[0.0, f32::NAN])]),
            Err(IndexError::NotFinite { position: 1, .. })
        ));
        assert!(matches!(
            index.search(&[f32::INFINITY, 0.0], 1),
            Err(IndexError::NotFinite { position: 0, .. })
        ));
        assert_eq!(index.len(), 0);
        assert!(matches!(ExactIndex::new(0), Err(IndexError::NoDimension)));
    }
}
