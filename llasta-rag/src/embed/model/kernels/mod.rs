//! The arithmetic of an encoder, on slices of `f32`.
//!
//! Written for what an encoder needs and a general matrix library cannot assume: the weights are laid
//! out once, at loading, in the order in which the inner loop reads them; bias and GELU are applied
//! while a result is still in a register; and texts of different lengths lie one after the other
//! without padding. The widest vectors of the CPU are chosen at run time (`pulp`), so one binary runs
//! everywhere. Threads are those of the current `rayon` pool.
//!
//! In reading order:
//! - `math.rs`: exponential and error function of a vector register;
//! - `gemm.rs`: matrix products;
//! - `rows.rs`: what is done row by row, layer normalisation and softmax;
//! - `attention.rs`: attention within each text.

mod attention;
mod gemm;
mod math;
mod rows;

pub(super) use self::attention::Attention;
pub(super) use self::gemm::{Activation, Matrix, Stored, bf16};
pub(super) use self::rows::{Norm, add_norm, norm};

/// `f32`s that begin at a cache line: a load of 64 bytes that crosses two lines costs twice as much.
#[derive(Debug)]
struct Aligned {
    /// Never grows, or the beginning would move.
    data: Vec<f32>,
    begin: usize,
    len: usize,
}

impl Aligned {
    const LINE: usize = 64;

    fn zeros(len: usize) -> Self {
        let data = vec![0.0; len + Self::LINE / size_of::<f32>()];
        let begin = data.as_ptr().align_offset(Self::LINE);
        // The standard library may answer "not possible", which costs time only.
        let begin = if begin <= data.len() - len { begin } else { 0 };
        Self { data, begin, len }
    }

    fn get(&self) -> &[f32] {
        &self.data[self.begin..self.begin + self.len]
    }

    fn get_mut(&mut self) -> &mut [f32] {
        &mut self.data[self.begin..self.begin + self.len]
    }
}

#[cfg(test)]
mod tests;
