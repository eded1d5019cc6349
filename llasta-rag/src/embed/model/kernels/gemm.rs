//! Matrix products.
//!
//! The right-hand matrix lies in panels of a few columns, row after row within a panel, so that the
//! inner loop reads it from front to back. The left-hand one is copied block by block into strips of a
//! few rows, column after column (in groups, so that copying is fast). Of each pair of strip and panel the products stay in registers until
//! they are summed. The scheme is that of Goto and van de Geijn, *Anatomy of High-Performance Matrix
//! Multiplication* (2008), without the copying of the right-hand side, which is done at loading.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{Aligned, math};

/// Columns of the left-hand side that are multiplied at a time: a strip and a panel of them stay in
/// the inner caches.
const DEPTH: usize = 512;
/// Rows of a task: a block of them, [`DEPTH`] deep, stays in the second cache.
const ROWS: usize = 96;

/// Columns of the left-hand side that lie together in a strip. Right-hand sides have their rows
/// filled up with zeros to a multiple of it.
pub(super) const GROUP: usize = 8;

/// In which type a right-hand side lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Stored {
    F32,
    /// The upper half of each `f32`.
    Bf16,
}

impl Stored {
    /// How many `f32` places hold so many numbers of a column.
    fn places(self, depth: usize) -> usize {
        let padded = depth.next_multiple_of(GROUP);
        match self {
            Self::F32 => padded,
            // Two numbers of a column lie in one place.
            Self::Bf16 => padded / 2,
        }
    }
}

/// What is done to a sum of products before it is stored.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Activation {
    /// The bias is added.
    None,
    /// The bias is added, and GELU applied.
    Gelu,
}

/// A matrix of `depth` rows and `columns` columns, to multiply with from the right.
#[derive(Debug)]
pub(in super::super) struct Matrix {
    panels: Aligned,
    kind: Stored,
    depth: usize,
    columns: usize,
    /// Columns of a panel.
    width: usize,
}

/// Columns of a panel: two vector registers.
pub(super) fn panel_width() -> usize {
    struct Width;
    impl WithSimd for Width {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            2 * S::F32_LANES
        }
    }
    Arch::new().dispatch(Width)
}

impl Matrix {
    /// Lays out a linear layer's weight, which comes as `columns` rows of `depth` (the order of `PyTorch`).
    pub(in super::super) fn new(weight: &[f32], depth: usize, kind: Stored) -> Self {
        let columns = weight.len() / depth.max(1);
        let width = panel_width();
        let deep = kind.places(depth);
        let mut panels = Aligned::zeros(columns.div_ceil(width) * deep * width);
        panels
            .get_mut()
            .par_chunks_mut((deep * width).max(1))
            .zip(weight.par_chunks((depth * width).max(1)))
            .for_each(|(panel, rows)| {
                for (column, row) in rows.chunks_exact(depth).enumerate() {
                    let places = panel[column..].iter_mut().step_by(width);
                    match kind {
                        Stored::F32 => {
                            for (place, &value) in places.zip(row) {
                                *place = value;
                            }
                        }
                        Stored::Bf16 => {
                            for (place, pair) in places.zip(row.chunks(2)) {
                                *place = pair_of(pair[0], pair.get(1).copied().unwrap_or(0.0));
                            }
                        }
                    }
                }
            });
        Self {
            panels,
            kind,
            depth,
            columns,
            width,
        }
    }

    /// How many columns the result has.
    pub(in super::super) fn columns(&self) -> usize {
        self.columns
    }

    /// Whether columns can be left out before this one.
    pub(in super::super) fn can_begin_at(&self, column: usize) -> bool {
        column.is_multiple_of(self.width)
    }

    /// `out = activation(left * self + bias)`, where `left` has rows of `depth`. Only the columns in
    /// the range are computed, which begins where [`can_begin_at`](Self::can_begin_at) says, and `out`
    /// has rows of that many.
    pub(in super::super) fn multiply(
        &self,
        left: &[f32],
        bias: &[f32],
        activation: Activation,
        columns: Range<usize>,
        out: &mut [f32],
    ) {
        let across = columns.len();
        if left.is_empty() || across == 0 {
            return;
        }
        let rows = left.len() / self.depth;
        debug_assert_eq!(out.len(), rows * across);
        // Few rows are shared out by columns too, in pieces of whole panels.
        let blocks = rows.div_ceil(ROWS);
        let threads = rayon::current_num_threads();
        let pieces = (2 * threads).div_ceil(blocks).max(1);
        let pieces = if threads == 1 { 1 } else { pieces };
        let piece = across.div_ceil(pieces).next_multiple_of(self.width);
        let mut tasks: Vec<_> = Vec::with_capacity(blocks * pieces);
        for (left, out) in left
            .chunks(ROWS * self.depth)
            .zip(out.chunks_mut(ROWS * across))
        {
            let first = tasks.len();
            for begin in (0..across).step_by(piece) {
                tasks.push(Block {
                    matrix: self,
                    left,
                    bias,
                    activation,
                    begin: columns.start + begin,
                    out: Vec::with_capacity(ROWS),
                });
            }
            for row in out.chunks_mut(across) {
                for (task, part) in tasks[first..].iter_mut().zip(row.chunks_mut(piece)) {
                    task.out.push(part);
                }
            }
        }
        let arch = Arch::new();
        tasks.into_par_iter().for_each(|task| arch.dispatch(task));
    }
}

/// Two numbers, rounded to their upper halves, as the bits of one: the first below.
fn pair_of(first: f32, second: f32) -> f32 {
    f32::from_bits(u32::from(bf16(first)) | u32::from(bf16(second)) << 16)
}

/// The upper half of an `f32`, rounded to the nearest and ties to even. Weights are finite.
pub(in super::super) fn bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    (bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

/// Some rows of the left-hand side times some columns of the right-hand one.
struct Block<'a> {
    matrix: &'a Matrix,
    left: &'a [f32],
    bias: &'a [f32],
    activation: Activation,
    begin: usize,
    /// Its columns of each row.
    out: Vec<&'a mut [f32]>,
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let matrix = self.matrix;
        let columns = self.out.first().map_or(0, |row| row.len());
        let right = Right {
            panels: matrix.panels.get(),
            kind: matrix.kind,
            depth: matrix.depth,
            first: self.begin / matrix.width,
        };
        let left = Left {
            rows: self.left,
            stride: matrix.depth,
            scale: 1.0,
        };
        let after = After {
            bias: &self.bias[self.begin..self.begin + columns],
            activation: self.activation,
        };
        product(simd, left, right, after, &mut self.out);
    }
}

/// The left-hand side: rows that begin every `stride` numbers.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    pub(super) rows: &'a [f32],
    pub(super) stride: usize,
    /// What each number is multiplied with.
    pub(super) scale: f32,
}

/// The right-hand side: panels from `first` on.
#[derive(Clone, Copy)]
pub(super) struct Right<'a> {
    pub(super) panels: &'a [f32],
    pub(super) kind: Stored,
    pub(super) depth: usize,
    pub(super) first: usize,
}

/// What follows a sum of products.
#[derive(Clone, Copy)]
pub(super) struct After<'a> {
    /// Of each column, or none.
    pub(super) bias: &'a [f32],
    pub(super) activation: Activation,
}

/// The product on this thread. `out` has a slice per row; its length says how many columns.
#[inline(always)]
pub(super) fn product<S: Simd>(
    simd: S,
    left: Left<'_>,
    right: Right<'_>,
    after: After<'_>,
    out: &mut [&mut [f32]],
) {
    let width = 2 * S::F32_LANES;
    let columns = out.first().map_or(0, |row| row.len());
    // As many rows as leave room in the registers: there are 16 of 8 lanes, and 32 of the others.
    let tall = if S::F32_LANES == 8 { 6 } else { 12 };
    let heights = heights(out.len(), tall);
    let deepest = DEPTH.min(right.depth.next_multiple_of(GROUP));
    let mut strips = vec![0.0_f32; heights.iter().sum::<usize>() * deepest];
    let stride = right.kind.places(right.depth) * width;
    for from in (0..right.depth).step_by(DEPTH) {
        let depth = DEPTH.min(right.depth - from);
        let padded = depth.next_multiple_of(GROUP);
        pack(left, from..from + depth, &heights, out.len(), &mut strips);
        let begin = right.kind.places(from) * width;
        let end = begin + right.kind.places(depth) * width;
        let place = Place {
            first: from == 0,
            last: from + depth == right.depth,
            kind: right.kind,
            after,
        };
        for (index, column) in (0..columns).step_by(width).enumerate() {
            let panel = &right.panels[(right.first + index) * stride..][begin..end];
            let (panel, _) = S::as_simd_f32s(panel);
            let mut rest = &strips[..];
            let mut row = 0;
            for &height in &heights {
                let (strip, others) = rest.split_at(height * padded);
                rest = others;
                let until = (row + height).min(out.len());
                let out = &mut out[row..until];
                match height {
                    12 => tile::<S, 12>(simd, strip, panel, place, column, out),
                    8 => tile::<S, 8>(simd, strip, panel, place, column, out),
                    6 => tile::<S, 6>(simd, strip, panel, place, column, out),
                    4 => tile::<S, 4>(simd, strip, panel, place, column, out),
                    _ => tile::<S, 1>(simd, strip, panel, place, column, out),
                }
                row = until;
            }
        }
    }
}

/// The heights of the strips that hold so many rows, the last with as little waste as possible.
fn heights(rows: usize, tall: usize) -> Vec<usize> {
    let mut heights = vec![tall; rows / tall];
    match rows % tall {
        0 => {}
        1 => heights.push(1),
        2..=4 => heights.push(4),
        5..=8 if tall == 12 => heights.push(8),
        _ => heights.push(tall),
    }
    heights
}

/// Copies columns of the left-hand side into strips: of each strip, [`GROUP`] columns after
/// [`GROUP`] columns, with zeros where there is no row or column.
#[inline(always)]
fn pack(left: Left<'_>, columns: Range<usize>, heights: &[usize], rows: usize, strips: &mut [f32]) {
    let padded = columns.len().next_multiple_of(GROUP);
    let mut rest = strips;
    let mut first = 0;
    for &height in heights {
        let (strip, others) = rest.split_at_mut(height * padded);
        rest = others;
        let (groups, _) = strip.as_chunks_mut::<GROUP>();
        for lane in 0..height {
            let row = first + lane;
            let places = groups[lane..].iter_mut().step_by(height);
            if row >= rows {
                places.for_each(|place| *place = [0.0; GROUP]);
                continue;
            }
            let numbers = &left.rows[row * left.stride..][columns.clone()];
            let (whole, tail) = numbers.as_chunks::<GROUP>();
            let mut last = [0.0; GROUP];
            last[..tail.len()].copy_from_slice(tail);
            for (place, numbers) in places.zip(whole.iter().chain([&last])) {
                *place = numbers.map(|number| number * left.scale);
            }
        }
        first += height;
    }
}

/// Where in the sum a tile is.
#[derive(Clone, Copy)]
struct Place<'a> {
    first: bool,
    last: bool,
    kind: Stored,
    after: After<'a>,
}

/// A strip times a panel.
#[inline(always)]
fn tile<S: Simd, const HEIGHT: usize>(
    simd: S,
    strip: &[f32],
    panel: &[S::f32s],
    place: Place<'_>,
    column: usize,
    out: &mut [&mut [f32]],
) {
    let sums = match place.kind {
        Stored::F32 => sums_f32::<S, HEIGHT>(simd, strip, panel),
        Stored::Bf16 => sums_bf16::<S, HEIGHT>(simd, strip, panel),
    };
    let lanes = S::F32_LANES;
    for (row, sums) in out.iter_mut().zip(sums) {
        for (half, mut sum) in sums.into_iter().enumerate() {
            let begin = column + half * lanes;
            let end = row.len().min(begin + lanes);
            if begin >= end {
                continue;
            }
            let part = &mut row[begin..end];
            if !place.first {
                sum = simd.add_f32s(sum, simd.partial_load_f32s(part));
            }
            if place.last {
                if let Some(bias) = place.after.bias.get(begin..end) {
                    sum = simd.add_f32s(sum, simd.partial_load_f32s(bias));
                }
                if let Activation::Gelu = place.after.activation {
                    sum = math::gelu(simd, sum);
                }
            }
            simd.partial_store_f32s(part, sum);
        }
    }
}

#[inline(always)]
fn sums_f32<S: Simd, const HEIGHT: usize>(
    simd: S,
    strip: &[f32],
    panel: &[S::f32s],
) -> [[S::f32s; 2]; HEIGHT] {
    let mut sums = [[simd.splat_f32s(0.0); 2]; HEIGHT];
    let (groups, _) = strip.as_chunks::<GROUP>();
    let (groups, _) = groups.as_chunks::<HEIGHT>();
    let (panel, _) = panel.as_chunks::<2>();
    let (panel, _) = panel.as_chunks::<GROUP>();
    for (left, right) in groups.iter().zip(panel) {
        for (k, right) in right.iter().enumerate() {
            for (sums, left) in sums.iter_mut().zip(left) {
                let left = simd.splat_f32s(left[k]);
                sums[0] = simd.mul_add_e_f32s(left, right[0], sums[0]);
                sums[1] = simd.mul_add_e_f32s(left, right[1], sums[1]);
            }
        }
    }
    sums
}

/// Like [`sums_f32`], for a panel in whose places lie two numbers of half the bits.
#[inline(always)]
fn sums_bf16<S: Simd, const HEIGHT: usize>(
    simd: S,
    strip: &[f32],
    panel: &[S::f32s],
) -> [[S::f32s; 2]; HEIGHT] {
    let mut sums = [[simd.splat_f32s(0.0); 2]; HEIGHT];
    let (groups, _) = strip.as_chunks::<GROUP>();
    let (groups, _) = groups.as_chunks::<HEIGHT>();
    let (panel, _) = panel.as_chunks::<2>();
    let (panel, _) = panel.as_chunks::<{ GROUP / 2 }>();
    let sixteen = simd.splat_u32s(16);
    let upper = simd.splat_u32s(0xffff_0000);
    for (left, right) in groups.iter().zip(panel) {
        for (k, right) in right.iter().enumerate() {
            let bits = right.map(|pair| simd.transmute_u32s_f32s(pair));
            let low =
                bits.map(|b| simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(b, sixteen)));
            let high = bits.map(|b| simd.transmute_f32s_u32s(simd.and_u32s(b, upper)));
            for (sums, left) in sums.iter_mut().zip(left) {
                let even = simd.splat_f32s(left[2 * k]);
                let odd = simd.splat_f32s(left[2 * k + 1]);
                sums[0] = simd.mul_add_e_f32s(even, low[0], sums[0]);
                sums[1] = simd.mul_add_e_f32s(even, low[1], sums[1]);
                sums[0] = simd.mul_add_e_f32s(odd, high[0], sums[0]);
                sums[1] = simd.mul_add_e_f32s(odd, high[1], sums[1]);
            }
        }
    }
    sums
}
