//! Functions of a vector register.

use pulp::Simd;

/// e to the power of each component, which is at most 88. The relative error is below 2e-7.
///
/// x is split into n ln 2 + r with |r| at most ln 2 / 2; the Taylor series of e^r is cut where its
/// terms fall below the precision of `f32`, and 2^n is added to the exponent bits.
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // Adding this pushes the fraction out of an f32: what is left in its low bits is the integer.
    const SHIFT: f32 = 12_582_912.0;
    // ln 2 in two parts, the first of which has few bits, so that n times it is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    const TERMS: [f32; 7] = [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    let x = simd.max_f32s(x, simd.splat_f32s(-87.0));
    let shifted = simd.mul_add_e_f32s(
        x,
        simd.splat_f32s(std::f32::consts::LOG2_E),
        simd.splat_f32s(SHIFT),
    );
    let n = simd.sub_f32s(shifted, simd.splat_f32s(SHIFT));
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(-LN_2_HIGH), x);
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(-LN_2_LOW), r);
    let mut sum = simd.splat_f32s(1.0 / 5040.0);
    for term in TERMS {
        sum = simd.mul_add_e_f32s(sum, r, simd.splat_f32s(term));
    }
    let exponent =
        simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(sum), exponent))
}

/// GELU with the error function: x (1 + erf(x / sqrt 2)) / 2.
///
/// The error function is formula 7.1.26 of Abramowitz and Stegun, *Handbook of Mathematical
/// Functions*; its absolute error is below 1.5e-7.
#[inline(always)]
pub(super) fn gelu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const P: f32 = 0.327_591_1;
    const A: [f32; 4] = [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6];
    let one = simd.splat_f32s(1.0);
    let z = simd.mul_f32s(
        simd.abs_f32s(x),
        simd.splat_f32s(std::f32::consts::FRAC_1_SQRT_2),
    );
    let t = simd.div_f32s(one, simd.mul_add_e_f32s(z, simd.splat_f32s(P), one));
    let mut sum = simd.splat_f32s(1.061_405_4);
    for a in A {
        sum = simd.mul_add_e_f32s(sum, t, simd.splat_f32s(a));
    }
    let power = exp(simd, simd.neg_f32s(simd.mul_f32s(z, z)));
    // 1 - erf(|x| / sqrt 2)
    let rest = simd.mul_f32s(simd.mul_f32s(sum, t), power);
    // For x above 0 the result is x - x rest / 2, else x rest / 2.
    let half = simd.mul_f32s(simd.mul_f32s(x, rest), simd.splat_f32s(0.5));
    let above = simd.greater_than_f32s(x, simd.splat_f32s(0.0));
    simd.select_f32s(above, simd.sub_f32s(x, half), half)
}
