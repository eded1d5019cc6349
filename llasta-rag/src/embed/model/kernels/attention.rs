//! Attention within each text.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::gemm::Stored;
use super::gemm::{Activation, After, GROUP, Left, Right, product};
use super::{Aligned, rows};

/// Queries whose scores are kept at a time.
const QUERIES: usize = 96;

/// Queries, keys and values of some texts, which lie one after the other.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Attention<'a> {
    /// A row per query, in which the heads' components follow each other from the first number on.
    pub(in super::super) queries: &'a [f32],
    pub(in super::super) query_stride: usize,
    /// A row per token: in its last numbers all heads' keys, and then all heads' values.
    pub(in super::super) keys_values: &'a [f32],
    pub(in super::super) key_stride: usize,
    pub(in super::super) heads: usize,
    /// Components of a head.
    pub(in super::super) size: usize,
}

impl Attention<'_> {
    /// softmax(query key / sqrt size) value, for each head of each text. Each text is given as the
    /// range of its queries and that of its tokens. `out` has a row of all heads for each query.
    pub(in super::super) fn run(self, texts: &[(Range<usize>, Range<usize>)], out: &mut [f32]) {
        let mut tasks = Vec::with_capacity(texts.len() * self.heads);
        let mut rest = out.chunks_mut(self.heads * self.size);
        for (queries, tokens) in texts {
            let first = tasks.len();
            for head in 0..self.heads {
                tasks.push(Task {
                    all: self,
                    queries: queries.clone(),
                    tokens: tokens.clone(),
                    head,
                    out: Vec::with_capacity(queries.len()),
                });
            }
            for row in rest.by_ref().take(queries.len()) {
                for (task, part) in tasks[first..].iter_mut().zip(row.chunks_mut(self.size)) {
                    task.out.push(part);
                }
            }
        }
        let arch = Arch::new();
        tasks.into_par_iter().for_each(|task| arch.dispatch(task));
    }
}

/// One head of one text.
struct Task<'a> {
    all: Attention<'a>,
    queries: Range<usize>,
    tokens: Range<usize>,
    head: usize,
    /// Its components of each row.
    out: Vec<&'a mut [f32]>,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Attention { heads, size, .. } = self.all;
        let tokens = self.tokens.len();
        let keys_at = self.all.key_stride - 2 * heads * size + self.head * size;
        let values_at = keys_at + heads * size;
        let keys = self.keys::<S>(keys_at);
        let values = self.values::<S>(values_at);
        let side = |panels, depth| Right {
            panels,
            kind: Stored::F32,
            depth,
            first: 0,
        };
        let plain = After {
            bias: &[],
            activation: Activation::None,
        };
        let mut scores = vec![0.0; QUERIES.min(self.queries.len()) * tokens];
        for (block, out) in self.out.chunks_mut(QUERIES).enumerate() {
            let first = (self.queries.start + block * QUERIES) * self.all.query_stride;
            let queries = Left {
                rows: &self.all.queries[first + self.head * size..],
                stride: self.all.query_stride,
                scale: 1.0 / (size as f32).sqrt(),
            };
            let scores = &mut scores[..out.len() * tokens];
            let mut rows: Vec<_> = scores.chunks_exact_mut(tokens).collect();
            product(simd, queries, side(keys.get(), size), plain, &mut rows);
            for row in &mut rows {
                rows::softmax(simd, row);
            }
            let weights = Left {
                rows: scores,
                stride: tokens,
                scale: 1.0,
            };
            product(simd, weights, side(values.get(), tokens), plain, out);
        }
    }
}

impl Task<'_> {
    /// The keys as columns.
    #[inline(always)]
    fn keys<S: Simd>(&self, at: usize) -> Aligned {
        let (size, width) = (self.all.size, 2 * S::F32_LANES);
        let panel = size.next_multiple_of(GROUP) * width;
        let mut panels = Aligned::zeros(self.tokens.len().div_ceil(width) * panel);
        for (index, token) in self.tokens.clone().enumerate() {
            let key = &self.all.keys_values[token * self.all.key_stride + at..][..size];
            let places = &mut panels.get_mut()[index / width * panel + index % width..];
            for (place, &value) in places.iter_mut().step_by(width).zip(key) {
                *place = value;
            }
        }
        panels
    }

    /// The values as rows.
    #[inline(always)]
    fn values<S: Simd>(&self, at: usize) -> Aligned {
        let (size, width) = (self.all.size, 2 * S::F32_LANES);
        let panel = self.tokens.len().next_multiple_of(GROUP) * width;
        let mut panels = Aligned::zeros(size.div_ceil(width) * panel);
        for (index, token) in self.tokens.clone().enumerate() {
            let value = &self.all.keys_values[token * self.all.key_stride + at..][..size];
            let parts = panels.get_mut().chunks_exact_mut(panel);
            for (panel, part) in parts.zip(value.chunks(width)) {
                panel[index * width..][..part.len()].copy_from_slice(part);
            }
        }
        panels
    }
}
