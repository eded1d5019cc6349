use super::attention::Attention;
use super::gemm::Stored;
use super::gemm::{Activation, Matrix, bf16};
use super::{Norm, add_norm};

/// Numbers between -1 and 1 without a pattern.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn gelu(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.max(0.0);
    }
    // The error function by its series.
    let z = x / std::f64::consts::SQRT_2;
    let (mut term, mut sum) = (z, z);
    for n in 1..200 {
        term *= -z * z / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    x * (1.0 + sum * std::f64::consts::FRAC_2_SQRT_PI) / 2.0
}

#[track_caller]
fn close(given: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(given.len(), expected.len());
    for (index, (&given, &expected)) in given.iter().zip(expected).enumerate() {
        let difference = (f64::from(given) - expected).abs();
        assert!(
            difference <= tolerance * expected.abs().max(1.0),
            "{index}: {given} is not {expected}"
        );
    }
}

fn linear(
    left: &[f32],
    weight: &[f32],
    bias: &[f32],
    depth: usize,
    activation: Activation,
) -> Vec<f64> {
    let rows = left.chunks(depth);
    let dot = |row: &[f32], column: &[f32]| -> f64 {
        let pairs = row.iter().zip(column);
        pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    rows.flat_map(|row| {
        weight.chunks(depth).zip(bias).map(move |(column, &bias)| {
            let sum = dot(row, column) + f64::from(bias);
            match activation {
                Activation::None => sum,
                Activation::Gelu => gelu(sum),
            }
        })
    })
    .collect()
}

#[test]
fn a_product_of_any_shape_is_what_its_definition_says() {
    for (rows, depth, columns) in [
        (1, 1, 1),
        (1, 64, 40),
        (2, 7, 33),
        (5, 513, 64),
        (13, 40, 31),
        (23, 1030, 70),
        (97, 24, 129),
        (200, 16, 16),
    ] {
        // Rounding adds up with the number of products.
        let tolerance = 1e-5 + 1e-7 * depth as f64;
        let left = numbers(rows * depth, 1);
        let weight = numbers(columns * depth, 2);
        let bias = numbers(columns, 3);
        let matrix = Matrix::new(&weight, depth, Stored::F32);
        for activation in [Activation::None, Activation::Gelu] {
            let mut out = vec![f32::NAN; rows * columns];
            matrix.multiply(&left, &bias, activation, 0..columns, &mut out);
            let expected = linear(&left, &weight, &bias, depth, activation);
            close(&out, &expected, tolerance);
        }
        let rounded: Vec<_> = weight
            .iter()
            .map(|&value| f32::from_bits(u32::from(bf16(value)) << 16))
            .collect();
        let matrix = Matrix::new(&weight, depth, Stored::Bf16);
        let mut out = vec![f32::NAN; rows * columns];
        matrix.multiply(&left, &bias, Activation::None, 0..columns, &mut out);
        let expected = linear(&left, &rounded, &bias, depth, Activation::None);
        close(&out, &expected, tolerance);
    }
}

#[test]
fn columns_can_be_left_out_at_the_beginning() {
    let (depth, columns) = (24, 192);
    let left = numbers(7 * depth, 1);
    let weight = numbers(columns * depth, 2);
    let bias = numbers(columns, 3);
    let matrix = Matrix::new(&weight, depth, Stored::F32);
    assert!(matrix.can_begin_at(64));
    let mut out = vec![f32::NAN; 7 * 128];
    matrix.multiply(&left, &bias, Activation::None, 64..columns, &mut out);
    let expected = linear(
        &left,
        &weight[64 * depth..],
        &bias[64..],
        depth,
        Activation::None,
    );
    close(&out, &expected, 2e-5);
}

#[test]
fn half_the_bits_are_rounded_to_the_nearest() {
    for (value, expected) in [
        (1.0, 0x3f80),
        (f32::from_bits(0x3f80_8000), 0x3f80),
        (f32::from_bits(0x3f81_8000), 0x3f82),
        (f32::from_bits(0x3f80_8001), 0x3f81),
        (-2.5, 0xc020),
    ] {
        assert_eq!(bf16(value), expected, "{value}");
    }
}

#[test]
fn a_normalised_row_has_the_mean_and_spread_that_are_asked_for() {
    let width = 37;
    let (rows, residual) = (numbers(3 * width, 4), numbers(3 * width, 5));
    let norm = Norm {
        weight: numbers(width, 6),
        bias: numbers(width, 7),
        epsilon: 1e-5,
    };
    let mut out = rows.clone();
    add_norm(&mut out, &residual, &norm);
    for ((out, row), residual) in out
        .chunks(width)
        .zip(rows.chunks(width))
        .zip(residual.chunks(width))
    {
        let sum: Vec<_> = row
            .iter()
            .zip(residual)
            .map(|(&a, &b)| f64::from(a + b))
            .collect();
        let mean = sum.iter().sum::<f64>() / width as f64;
        let variance = sum.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
        let expected: Vec<_> = sum
            .iter()
            .zip(norm.weight.iter().zip(&norm.bias))
            .map(|(x, (&w, &b))| {
                (x - mean) / (variance + 1e-5).sqrt() * f64::from(w) + f64::from(b)
            })
            .collect();
        close(out, &expected, 1e-5);
    }
}

#[test]
fn attention_is_the_mean_of_the_values_weighted_by_the_softmax_of_the_scores() {
    let (heads, size) = (3, 12);
    let width = heads * size;
    let lengths = [1, 130, 17];
    let tokens: usize = lengths.iter().sum();
    let all: Vec<_> = numbers(tokens * 3 * width, 8)
        .iter()
        .map(|x| 3.0 * x)
        .collect();
    let mut texts = Vec::new();
    let mut start = 0;
    for length in lengths {
        texts.push((start..start + length, start..start + length));
        start += length;
    }
    let mut out = vec![f32::NAN; tokens * width];
    let attention = Attention {
        queries: &all,
        query_stride: 3 * width,
        keys_values: &all,
        key_stride: 3 * width,
        heads,
        size,
    };
    attention.run(&texts, &mut out);
    let part = |token: usize, which: usize, head: usize| {
        &all[token * 3 * width + which * width + head * size..][..size]
    };
    let mut expected = Vec::new();
    for (range, _) in &texts {
        for query in range.clone() {
            for head in 0..heads {
                let scores = range.clone().map(|token| {
                    let pairs = part(query, 0, head).iter().zip(part(token, 1, head));
                    let dot: f64 = pairs.map(|(&q, &k)| f64::from(q) * f64::from(k)).sum();
                    (dot / (size as f64).sqrt()).exp()
                });
                let scores: Vec<_> = scores.collect();
                let sum: f64 = scores.iter().sum();
                for component in 0..size {
                    let weighted = range
                        .clone()
                        .zip(&scores)
                        .map(|(token, score)| score * f64::from(part(token, 2, head)[component]));
                    expected.push(weighted.sum::<f64>() / sum);
                }
            }
        }
    }
    close(&out, &expected, 1e-5);
}
