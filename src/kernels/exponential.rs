//! The exponential function and its relatives, on vectors.

use super::vector::Vector;

/// `e^x`, within 2 units in the last place. Above 88.37 it stays at e^88.37 (2.4e38), below -87.33
/// at the smallest normal number (1.2e-38); NaN stays NaN.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn exp<V: Vector>(x: V) -> V {
    // SAFETY: as the caller states.
    let number = |number: f32| unsafe { V::splat(number) };
    let x = number(88.37).min(number(-87.33).max(x));
    // x = n ln 2 + r with an integer n: adding and subtracting 1.5 * 2^23 rounds to one.
    let rounding = 12_582_912.0;
    let n = x.mul_add(number(std::f32::consts::LOG2_E), number(rounding)).sub(number(rounding));
    // ln 2 in two parts, the first of few bits, so that n times it is exact.
    let r = n.mul_add(number(-0.693_359_4), x);
    let r = n.mul_add(number(2.121_944_4e-4), r);
    // The polynomial of the Cephes library.
    let mut sum = number(1.987_569_1e-4);
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5] {
        sum = sum.mul_add(r, number(coefficient));
    }
    let exp_r = sum.mul_add(r.mul(r), r).add(number(1.0));
    // 2^n: the sum's lowest bits are n + 127, which belong into the exponent.
    exp_r.mul(n.add(number(rounding + 127.0)).shift_into_exponent())
}

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
