//! The transforms of Winograd's minimal filtering, along one axis and along both.
//!
//! With the matrices Bᵀ, G and Aᵀ of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks"
//! (2016), `M` outputs y of `N` numbers d and K = N - M + 1 weights g are
//!
//! ```text
//! y = Aᵀ ((G g) ⊙ (Bᵀ d))        gradient of g = Gᵀ ((A gradient of y) ⊙ (Bᵀ d))
//! ```
//!
//! and likewise along both axes of an image, where each matrix is applied from both sides.

use std::marker::PhantomData;

use super::super::vector::Vector;

/// F(2, 3): two outputs of four numbers, from the points 0, 1, -1 and infinity.
pub(super) struct F23;

/// F(4, 3): four outputs of six numbers, from the points 0, ±[`NEAR`], ±[`FAR`] and infinity.
pub(super) struct F43;

/// F(2, 5): two outputs of six numbers and five weights, from the points of [`F43`].
pub(super) struct F25;

/// The points of [`F43`]. All their products up to the fourth power are exact, and errors are about a third of those
/// with the points 1 and 2, which save two multiplications.
const NEAR: f32 = 0.625;
const FAR: f32 = 1.5;

/// What weights are multiplied by at the points 0, ±[`NEAR`] and ±[`FAR`]: 1 over the product of the distances to the
/// other points.
const ZERO_WEIGHT: f32 = 1.0 / (NEAR * NEAR * FAR * FAR);
const NEAR_WEIGHT: f32 = 1.0 / (2.0 * NEAR * NEAR * (NEAR * NEAR - FAR * FAR));
const FAR_WEIGHT: f32 = 1.0 / (2.0 * FAR * FAR * (FAR * FAR - NEAR * NEAR));

/// Bᵀ, of inputs.
pub(super) struct Input<F>(PhantomData<F>);
/// G, of weights.
pub(super) struct Weight<F>(PhantomData<F>);
/// Aᵀ, to outputs.
pub(super) struct Output<F>(PhantomData<F>);
/// A, of the gradient of outputs.
pub(super) struct OutputGrad<F>(PhantomData<F>);
/// Gᵀ, to the gradient of weights.
pub(super) struct WeightGrad<F>(PhantomData<F>);

/// A matrix that turns `I` numbers along an axis into `O`.
///
/// It is a type rather than a closure, since only a named function is sure to become part of the function that has
/// the instructions.
pub(super) trait Transform<const I: usize, const O: usize> {
    /// The product with the matrix, in every lane.
    fn apply<V: Vector>(numbers: [V; I]) -> [V; O];
}

/// `number * factor`
#[inline(always)]
fn times<V: Vector>(number: V, factor: f32) -> V {
    // SAFETY: the vector shows that the machine has the instructions.
    number.mul(unsafe { V::splat(factor) })
}

/// `number * factor + addend`
#[inline(always)]
fn times_plus<V: Vector>(number: V, factor: f32, addend: V) -> V {
    // SAFETY: the vector shows that the machine has the instructions.
    number.mul_add(unsafe { V::splat(factor) }, addend)
}

impl Transform<4, 4> for Input<F23> {
    #[inline(always)]
    fn apply<V: Vector>([a, b, c, d]: [V; 4]) -> [V; 4] {
        [a.sub(c), b.add(c), c.sub(b), b.sub(d)]
    }
}

impl Transform<3, 4> for Weight<F23> {
    #[inline(always)]
    fn apply<V: Vector>([a, b, c]: [V; 3]) -> [V; 4] {
        let ends = a.add(c);
        [a, times(ends.add(b), 0.5), times(ends.sub(b), 0.5), c]
    }
}

impl Transform<4, 2> for Output<F23> {
    #[inline(always)]
    fn apply<V: Vector>([a, b, c, d]: [V; 4]) -> [V; 2] {
        [a.add(b.add(c)), b.sub(c).sub(d)]
    }
}

impl Transform<2, 4> for OutputGrad<F23> {
    #[inline(always)]
    fn apply<V: Vector>([a, b]: [V; 2]) -> [V; 4] {
        [a, a.add(b), a.sub(b), times(b, -1.0)]
    }
}

impl Transform<4, 3> for WeightGrad<F23> {
    #[inline(always)]
    fn apply<V: Vector>([a, b, c, d]: [V; 4]) -> [V; 3] {
        let half = times(b.add(c), 0.5);
        [a.add(half), times(b.sub(c), 0.5), half.add(d)]
    }
}

/// Bᵀ of the points of [`F43`], whatever they are used for.
#[inline(always)]
fn six_points<V: Vector>([a, b, c, d, e, f]: [V; 6]) -> [V; 6] {
    const NEAR_FAR: f32 = NEAR * NEAR * FAR * FAR;
    const SUM: f32 = NEAR * NEAR + FAR * FAR;
    let near = times_plus(c, -FAR * FAR, e);
    let near_odd = times_plus(b, -FAR * FAR, d);
    let far = times_plus(c, -NEAR * NEAR, e);
    let far_odd = times_plus(b, -NEAR * NEAR, d);
    [
        times_plus(a, NEAR_FAR, times_plus(c, -SUM, e)),
        times_plus(near_odd, NEAR, near),
        times_plus(near_odd, -NEAR, near),
        times_plus(far_odd, FAR, far),
        times_plus(far_odd, -FAR, far),
        times_plus(b, NEAR_FAR, times_plus(d, -SUM, f)),
    ]
}

impl Transform<6, 6> for Input<F43> {
    #[inline(always)]
    fn apply<V: Vector>(numbers: [V; 6]) -> [V; 6] {
        six_points(numbers)
    }
}

impl Transform<3, 6> for Weight<F43> {
    #[inline(always)]
    fn apply<V: Vector>([a, b, c]: [V; 3]) -> [V; 6] {
        let near = times_plus(c, NEAR * NEAR, a);
        let far = times_plus(c, FAR * FAR, a);
        [
            times(a, ZERO_WEIGHT),
            times(times_plus(b, NEAR, near), NEAR_WEIGHT),
            times(times_plus(b, -NEAR, near), NEAR_WEIGHT),
            times(times_plus(b, FAR, far), FAR_WEIGHT),
            times(times_plus(b, -FAR, far), FAR_WEIGHT),
            c,
        ]
    }
}

impl Transform<6, 4> for Output<F43> {
    #[inline(always)]
    fn apply<V: Vector>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
        let (near, near_odd) = (b.add(c), b.sub(c));
        let (far, far_odd) = (d.add(e), d.sub(e));
        [
            a.add(near).add(far),
            times_plus(far_odd, FAR, times(near_odd, NEAR)),
            times_plus(far, FAR * FAR, times(near, NEAR * NEAR)),
            times_plus(far_odd, FAR * FAR * FAR, times_plus(near_odd, NEAR * NEAR * NEAR, f)),
        ]
    }
}

impl Transform<4, 6> for OutputGrad<F43> {
    #[inline(always)]
    fn apply<V: Vector>([a, b, c, d]: [V; 4]) -> [V; 6] {
        let near = times_plus(c, NEAR * NEAR, a);
        let near_odd = times_plus(d, NEAR * NEAR, b);
        let far = times_plus(c, FAR * FAR, a);
        let far_odd = times_plus(d, FAR * FAR, b);
        [
            a,
            times_plus(near_odd, NEAR, near),
            times_plus(near_odd, -NEAR, near),
            times_plus(far_odd, FAR, far),
            times_plus(far_odd, -FAR, far),
            d,
        ]
    }
}

impl Transform<6, 3> for WeightGrad<F43> {
    #[inline(always)]
    fn apply<V: Vector>([a, b, c, d, e, f]: [V; 6]) -> [V; 3] {
        let (near, near_odd) = (times(b.add(c), NEAR_WEIGHT), times(b.sub(c), NEAR_WEIGHT));
        let (far, far_odd) = (times(d.add(e), FAR_WEIGHT), times(d.sub(e), FAR_WEIGHT));
        [
            times_plus(a, ZERO_WEIGHT, near.add(far)),
            times_plus(far_odd, FAR, times(near_odd, NEAR)),
            times_plus(far, FAR * FAR, times_plus(near, NEAR * NEAR, f)),
        ]
    }
}

impl Transform<6, 6> for Input<F25> {
    #[inline(always)]
    fn apply<V: Vector>(numbers: [V; 6]) -> [V; 6] {
        six_points(numbers)
    }
}

impl Transform<5, 6> for Weight<F25> {
    #[inline(always)]
    fn apply<V: Vector>([a, b, c, d, e]: [V; 5]) -> [V; 6] {
        let near = times_plus(times_plus(e, NEAR * NEAR, c), NEAR * NEAR, a);
        let near_odd = times_plus(d, NEAR * NEAR, b);
        let far = times_plus(times_plus(e, FAR * FAR, c), FAR * FAR, a);
        let far_odd = times_plus(d, FAR * FAR, b);
        [
            times(a, ZERO_WEIGHT),
            times(times_plus(near_odd, NEAR, near), NEAR_WEIGHT),
            times(times_plus(near_odd, -NEAR, near), NEAR_WEIGHT),
            times(times_plus(far_odd, FAR, far), FAR_WEIGHT),
            times(times_plus(far_odd, -FAR, far), FAR_WEIGHT),
            e,
        ]
    }
}

impl Transform<6, 2> for Output<F25> {
    #[inline(always)]
    fn apply<V: Vector>([a, b, c, d, e, f]: [V; 6]) -> [V; 2] {
        [a.add(b.add(c)).add(d.add(e)), times_plus(d.sub(e), FAR, times_plus(b.sub(c), NEAR, f))]
    }
}

impl Transform<2, 6> for OutputGrad<F25> {
    #[inline(always)]
    fn apply<V: Vector>([a, b]: [V; 2]) -> [V; 6] {
        [
            a,
            times_plus(b, NEAR, a),
            times_plus(b, -NEAR, a),
            times_plus(b, FAR, a),
            times_plus(b, -FAR, a),
            b,
        ]
    }
}

impl Transform<6, 5> for WeightGrad<F25> {
    #[inline(always)]
    fn apply<V: Vector>([a, b, c, d, e, f]: [V; 6]) -> [V; 5] {
        let (near, near_odd) = (times(b.add(c), NEAR_WEIGHT), times(b.sub(c), NEAR_WEIGHT));
        let (far, far_odd) = (times(d.add(e), FAR_WEIGHT), times(d.sub(e), FAR_WEIGHT));
        [
            times_plus(a, ZERO_WEIGHT, near.add(far)),
            times_plus(far_odd, FAR, times(near_odd, NEAR)),
            times_plus(far, FAR * FAR, times(near, NEAR * NEAR)),
            times_plus(far_odd, FAR * FAR * FAR, times(near_odd, NEAR * NEAR * NEAR)),
            times_plus(far, FAR * FAR * FAR * FAR, times_plus(near, NEAR * NEAR * NEAR * NEAR, f)),
        ]
    }
}

/// A transform along both axes: of each column, then of each row.
#[inline(always)]
pub(super) fn both_axes<T: Transform<I, O>, V: Vector, const I: usize, const O: usize>(
    from: &[[V; I]; I],
) -> [[V; O]; O] {
    // SAFETY: the vectors show that the machine has the instructions.
    let zero = unsafe { V::splat(0.0) };
    let mut half = [[zero; I]; O];
    for x in 0..I {
        let mut column = [zero; I];
        for (number, row) in column.iter_mut().zip(from) {
            *number = row[x];
        }
        for (row, number) in half.iter_mut().zip(T::apply(column)) {
            row[x] = number;
        }
    }
    let mut to = [[zero; O]; O];
    for (to, half) in to.iter_mut().zip(half) {
        *to = T::apply(half);
    }
    to
}
