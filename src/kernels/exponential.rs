//! The exponential function and its relatives, on vectors.

use super::vector::Vector;

/// `e^x`, within 2 units in the last place. Above 88.37 (2.4e38) it is infinite, below -87.68 it is 0, for what is
/// subnormal takes long; NaN stays NaN.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn exp<V: Vector>(x: V) -> V {
    // SAFETY: as the caller states.
    let number = |number: f32| unsafe { V::splat(number) };
    let x = number(88.73).min(number(-88.0).max(x));
    // x = n ln 2 + r with an integer n, -127 to 128: adding and subtracting 1.5 * 2^23 rounds to one.
    let rounding = 12_582_912.0;
    let n = x.mul_add(number(std::f32::consts::LOG2_E), number(rounding)).sub(number(rounding));
    // ln 2 in two parts, the first of few bits, so that n times it is exact.
    let r = n.mul_add(number(-0.693_359_4), x);
    let r = n.mul_add(number(2.121_944_4e-4), r);
    // SAFETY: as the caller states.
    let exp_r = unsafe { exp_m1_near_zero(r) }.add(number(1.0));
    // 2^n: the sum's lowest bits are n + 127, which belong into the exponent. Of its ends, 0 makes 0 and 255 infinity.
    exp_r.mul(n.add(number(rounding + 127.0)).shift_into_exponent())
}

/// `e^r - 1` for `r` from -0.35 to 0.35: the polynomial of the Cephes library.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
unsafe fn exp_m1_near_zero<V: Vector>(r: V) -> V {
    // SAFETY: as the caller states.
    let number = |number: f32| unsafe { V::splat(number) };
    let mut sum = number(1.987_569_1e-4);
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5] {
        sum = sum.mul_add(r, number(coefficient));
    }
    sum.mul_add(r.mul(r), r)
}

/// `e^x - 1` for `x` up to 0, within 4 units in the last place; NaN stays NaN.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn exp_m1_of_negative<V: Vector>(x: V) -> V {
    // SAFETY: as the caller states.
    unsafe {
        let far = exp(x).sub(V::splat(1.0));
        x.select_le(V::splat(-0.34), far, exp_m1_near_zero(x))
    }
}

/// `ln(1 + x)` for `x` from 0 to 1: twice the inverse hyperbolic tangent of `x / (2 + x)`, by its
/// series, whose argument is at most 1/3.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn ln_1p<V: Vector>(x: V) -> V {
    // SAFETY: as the caller states.
    let number = |number: f32| unsafe { V::splat(number) };
    let s = x.div(number(2.0).add(x));
    let square = s.mul(s);
    let mut sum = number(1.0 / 15.0);
    for odd in [13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        sum = sum.mul_add(square, number(1.0 / odd));
    }
    let s = s.add(s);
    sum.mul(square).mul_add(s, s)
}

/// The share of a standard normal distribution below `x`, `(1 + erf(x / sqrt(2))) / 2`, and
/// `e^(-x^2 / 2)`. The error function is that of the Cephes library: a polynomial up to 1, above it
/// `erfc(a) = e^(-a^2) / a` times a polynomial of `1 / a^2`.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn normal<V: Vector>(x: V) -> (V, V) {
    // SAFETY: as the caller states.
    let number = |number: f32| unsafe { V::splat(number) };
    let polynomial = |coefficients: &[f32], x: V| {
        let terms = coefficients.iter();
        terms.fold(number(0.0), |sum, &term| sum.mul_add(x, number(term)))
    };
    let [zero, half, one] = [0.0, 0.5, 1.0].map(number);
    let a = x.max(zero.sub(x)).mul(number(std::f32::consts::FRAC_1_SQRT_2));
    // SAFETY: as the caller states.
    let bell = unsafe { exp(x.mul(x).mul(number(-0.5))) };
    let erf = a.mul(polynomial(&ERF, a.mul(a)));
    let reciprocal = one.div(a);
    let square = reciprocal.mul(reciprocal);
    let factor =
        a.select_le(number(2.0), polynomial(&ERFC_TO_2, square), polynomial(&ERFC_FROM_2, square));
    // What lies beyond |x| on one side.
    let beyond = bell.mul(half).mul(reciprocal).mul(factor);
    let beyond = a.select_le(one, half.sub(half.mul(erf)), beyond);
    (x.select_le(zero, beyond, one.sub(beyond)), bell)
}

/// Coefficients of `erf(a) / a` in `a^2`, from 0 to 1.
const ERF: [f32; 7] = [
    7.853_861e-5,
    -8.010_194e-4,
    5.188_327_6e-3,
    -2.685_381_2e-2,
    0.112_835_85,
    -0.376_126_26,
    std::f32::consts::FRAC_2_SQRT_PI,
];

/// Coefficients of `erfc(a) a e^(a^2)` in `1 / a^2`, from 1 to 2.
const ERFC_TO_2: [f32; 9] = [
    2.326_82e-2,
    -0.138_703_94,
    0.368_742_47,
    -0.582_473_3,
    0.621_000_5,
    -0.494_451_52,
    0.340_488,
    -0.274_112_7,
    0.563_825_9,
];

/// The same from 2 on.
const ERFC_FROM_2: [f32; 8] = [
    -10.477_664,
    12.977_199,
    -7.495_519,
    2.921_019,
    -1.015_265_3,
    0.421_846_33,
    -0.282_076_75,
    0.564_189_5,
];

/// `1 / (1 + e^-x)`
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn sigmoid<V: Vector>(x: V) -> V {
    // SAFETY: as the caller states.
    unsafe {
        let one = V::splat(1.0);
        one.div(one.add(exp(V::splat(0.0).sub(x))))
    }
}

/// The hyperbolic tangent.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn tanh<V: Vector>(x: V) -> V {
    // SAFETY: as the caller states.
    let number = |number: f32| unsafe { V::splat(number) };
    let size = x.max(number(0.0).sub(x));
    // Near zero, the polynomial of the Cephes library; elsewhere 1 - 2 / (e^2x + 1).
    let square = x.mul(x);
    let mut sum = number(-5.704_988_7e-3);
    for coefficient in [2.063_909e-2, -5.373_971_6e-2, 0.133_314_42, -0.333_332_8] {
        sum = sum.mul_add(square, number(coefficient));
    }
    let near = sum.mul_add(square.mul(x), x);
    // SAFETY: as the caller states.
    let far = unsafe { number(1.0).sub(number(2.0).div(exp(size.add(size)).add(number(1.0)))) };
    let far = x.select_le(number(0.0), number(0.0).sub(far), far);
    size.select_le(number(0.625), near, far)
}
