//! What is done row by row.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::math;

/// Rows of a task.
const ROWS: usize = 64;

/// Scale and shift of a layer normalisation.
#[derive(Debug)]
pub(in super::super) struct Norm {
    pub(in super::super) weight: Vec<f32>,
    pub(in super::super) bias: Vec<f32>,
    pub(in super::super) epsilon: f32,
}

/// Each row of `rows` plus the same row of `residual`, normalised. The result goes to `rows`.
pub(in super::super) fn add_norm(rows: &mut [f32], residual: &[f32], norm: &Norm) {
    let size = norm.weight.len() * ROWS;
    let arch = Arch::new();
    rows.par_chunks_mut(size)
        .zip(residual.par_chunks(size))
        .for_each(|(rows, residual)| {
            arch.dispatch(AddNorm {
                rows,
                residual: Some(residual),
                norm,
            });
        });
}

/// Each row, normalised.
pub(in super::super) fn norm(rows: &mut [f32], norm: &Norm) {
    let arch = Arch::new();
    rows.par_chunks_mut(norm.weight.len() * ROWS)
        .for_each(|rows| {
            arch.dispatch(AddNorm {
                rows,
                residual: None,
                norm,
            });
        });
}

struct AddNorm<'a> {
    rows: &'a mut [f32],
    residual: Option<&'a [f32]>,
    norm: &'a Norm,
}

impl WithSimd for AddNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.norm.weight.len();
        let (weight, weight_tail) = S::as_simd_f32s(&self.norm.weight);
        let (bias, bias_tail) = S::as_simd_f32s(&self.norm.bias);
        for (index, row) in self.rows.chunks_exact_mut(width).enumerate() {
            if let Some(residual) = self.residual {
                let residual = &residual[index * width..][..width];
                let (body, tail) = S::as_mut_simd_f32s(row);
                let (more, more_tail) = S::as_simd_f32s(residual);
                for (value, &more) in body.iter_mut().zip(more) {
                    *value = simd.add_f32s(*value, more);
                }
                for (value, &more) in tail.iter_mut().zip(more_tail) {
                    *value += more;
                }
            }
            let mean = sum_of(simd, row, |x| x, |x| x) / width as f32;
            let middle = simd.splat_f32s(mean);
            let squares = sum_of(
                simd,
                row,
                |x| {
                    let x = simd.sub_f32s(x, middle);
                    simd.mul_f32s(x, x)
                },
                |x| (x - mean) * (x - mean),
            );
            let scale = 1.0 / (squares / width as f32 + self.norm.epsilon).sqrt();
            let scales = simd.splat_f32s(scale);
            let (body, tail) = S::as_mut_simd_f32s(row);
            for ((value, &weight), &bias) in body.iter_mut().zip(weight).zip(bias) {
                let unit = simd.mul_f32s(simd.sub_f32s(*value, middle), scales);
                *value = simd.mul_add_e_f32s(unit, weight, bias);
            }
            for ((value, &weight), &bias) in tail.iter_mut().zip(weight_tail).zip(bias_tail) {
                *value = (*value - mean) * scale * weight + bias;
            }
        }
    }
}

/// The sum of a function of each number, which is given for a register and for one number.
#[inline(always)]
fn sum_of<S: Simd>(
    simd: S,
    row: &[f32],
    of_register: impl Fn(S::f32s) -> S::f32s,
    of_one: impl Fn(f32) -> f32,
) -> f32 {
    let (body, tail) = S::as_simd_f32s(row);
    let mut sums = [simd.splat_f32s(0.0); 4];
    let (fours, rest) = body.as_chunks::<4>();
    for four in fours {
        for (sum, &x) in sums.iter_mut().zip(four) {
            *sum = simd.add_f32s(*sum, of_register(x));
        }
    }
    for &x in rest {
        sums[0] = simd.add_f32s(sums[0], of_register(x));
    }
    let all = simd.add_f32s(
        simd.add_f32s(sums[0], sums[1]),
        simd.add_f32s(sums[2], sums[3]),
    );
    simd.reduce_sum_f32s(all) + tail.iter().map(|&x| of_one(x)).sum::<f32>()
}

/// e to the power of each number less the largest, divided by their sum.
#[inline(always)]
pub(super) fn softmax<S: Simd>(simd: S, row: &mut [f32]) {
    let (body, tail) = S::as_mut_simd_f32s(row);
    let mut largest = simd.splat_f32s(f32::NEG_INFINITY);
    for &x in body.iter() {
        largest = simd.max_f32s(largest, x);
    }
    let largest = tail
        .iter()
        .fold(simd.reduce_max_f32s(largest), |a, &b| a.max(b));
    let shift = simd.splat_f32s(largest);
    let mut sums = simd.splat_f32s(0.0);
    for x in body.iter_mut() {
        *x = math::exp(simd, simd.sub_f32s(*x, shift));
        sums = simd.add_f32s(sums, *x);
    }
    let mut sum = simd.reduce_sum_f32s(sums);
    for x in tail.iter_mut() {
        *x = (*x - largest).exp();
        sum += *x;
    }
    let scale = 1.0 / sum;
    let scales = simd.splat_f32s(scale);
    for x in body {
        *x = simd.mul_f32s(*x, scales);
    }
    for x in tail {
        *x *= scale;
    }
}
