//! Attention within each text.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::ops::softmax_last_dim;

use super::pack::EXTRA;

/// What one head of one text gives: rows of queries, keys and values over columns of tokens, so that
/// no product below needs anything copied or turned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heads {
    /// Components of a query, a key or a value of one head.
    pub(super) size: usize,
    /// The most scores that are in memory at a time, as numbers.
    pub(super) room: usize,
}

impl Heads {
    /// Rows of a head: queries and keys each with [`EXTRA`] ones, and values. The extra ones of the
    /// queries times those of the keys are what hides a token.
    pub(super) fn rows(self) -> usize {
        3 * self.size + 2 * EXTRA
    }

    /// For the first `queries` tokens of each text, the sum of the values by the softmax of the scores.
    ///
    /// `states` is (texts × heads, [`rows`](Self::rows), tokens), and the result (texts × heads,
    /// `size`, `queries`).
    pub(super) fn attend(self, states: &Tensor, queries: usize) -> Result<Tensor> {
        let (pairs, _, tokens) = states.dims3()?;
        let wide = self.size + EXTRA;
        let query = states.narrow(1, 0, wide)?;
        let key = states.narrow(1, wide, wide)?;
        let value = states.narrow(1, 2 * wide, self.size)?;
        // Whole heads where they fit, and else one head and as many of its queries as do.
        let most = (self.room / tokens.max(1)).max(1);
        let (pairs_a_time, queries_a_time) = if most >= queries {
            (most / queries.max(1), queries)
        } else {
            (1, aligned(most))
        };
        let mut done = Vec::new();
        for pair in (0..pairs).step_by(pairs_a_time) {
            let count = pairs_a_time.min(pairs - pair);
            let key = key.narrow(0, pair, count)?;
            let value = value.narrow(0, pair, count)?;
            let mut parts = Vec::new();
            for from in (0..queries).step_by(queries_a_time) {
                let some = queries_a_time.min(queries - from);
                let mut query = query.narrow(0, pair, count)?;
                if some < tokens {
                    query = query.narrow(2, from, some)?.contiguous()?;
                }
                let scores = softmax(&query.transpose(1, 2)?.matmul(&key)?)?;
                parts.push(value.matmul(&scores.transpose(1, 2)?)?);
            }
            done.push(Tensor::cat(&parts, 2)?);
        }
        Tensor::cat(&done, 0)
    }
}

/// Whole groups of eight where there is one.
fn aligned(count: usize) -> usize {
    if count >= 8 { count - count % 8 } else { count }
}

/// Sums are `f32` in any type: the GPU's kernel has them so, and the CPU's, which sums in the type of the
/// scores, is given them so.
fn softmax(scores: &Tensor) -> Result<Tensor> {
    match scores.device() {
        Device::Cpu => softmax_last_dim(&scores.to_dtype(DType::F32)?)?.to_dtype(scores.dtype()),
        _ => softmax_last_dim(scores),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that are neither alike nor in any order, from -1 to 1.
    fn noise(count: usize) -> Vec<f32> {
        let mut state = 7_u32;
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    #[test]
    fn however_little_room_there_is_the_result_is_the_same() {
        let (pairs, size, tokens) = (6, 8, 40);
        let heads = |room| Heads { size, room };
        let shape = (pairs, heads(0).rows(), tokens);
        let states =
            Tensor::from_vec(noise(pairs * shape.1 * tokens), shape, &Device::Cpu).unwrap();
        let flat = |tensor: Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let whole = flat(heads(usize::MAX).attend(&states, tokens).unwrap());
        assert_eq!(whole.len(), pairs * size * tokens);
        for room in [0, 1, 39, 40, 9 * 40, 1600, 1601, 4000, 9600] {
            let part = flat(heads(room).attend(&states, tokens).unwrap());
            let worst = whole.iter().zip(&part).map(|(a, b)| (a - b).abs());
            assert!(worst.fold(0.0, f32::max) < 1e-6, "room for {room}");
        }
        // Of the first query alone.
        let first = flat(heads(500).attend(&states, 1).unwrap());
        let column: Vec<_> = whole.iter().step_by(tokens).copied().collect();
        for (a, b) in first.iter().zip(&column) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
        assert_eq!(first.len(), column.len());
    }
}
