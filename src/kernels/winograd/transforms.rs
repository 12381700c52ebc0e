//! The transforms of Winograd's minimal filtering along one axis.
//!
//! With the matrices Bᵀ, G and Aᵀ of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks"
//! (2016), `M` outputs y of `N` numbers d and K = N - M + 1 weights g are
//!
//! ```text
//! y = Aᵀ ((G g) ⊙ (Bᵀ d))        gradient of g = Gᵀ ((A gradient of y) ⊙ (Bᵀ d))
//! ```
//!
//! and likewise along both axes of an image, where each matrix is applied from both sides. The matrices follow from
//! the points: 0, pairs of a point and its negative, and infinity. The polynomials of Bᵀ have leading coefficients of
//! 1, and G powers of the points alone, so that fewer outputs may use some of the pairs with the same weights; Aᵀ has
//! the factors that this leaves.

use std::marker::PhantomData;

use super::super::vector::Vector;

/// The most points of a tile along an axis.
pub(super) const MOST_POINTS: usize = 8;

/// The most pairs of points.
const MOST_PAIRS: usize = 3;

/// Points of a tile along an axis, besides 0 and infinity.
///
/// All powers that transforms use are exact.
pub(super) trait Points {
    /// The point of each pair of a point and its negative. Tiles of fewer outputs use the first ones.
    const AT: [f32; MOST_PAIRS];
}

/// Four points: 0, ±1 and infinity.
pub(super) struct Four;

/// Six points: 0, ±3/2, ±5/8 and infinity. Errors are about a third of those with the points 1 and 2.
pub(super) struct Six;

/// Eight points: 0, ±2, ±1/2, ±1 and infinity.
pub(super) struct Eight;

impl Points for Four {
    const AT: [f32; MOST_PAIRS] = [1.0, 0.0, 0.0];
}

impl Points for Six {
    const AT: [f32; MOST_PAIRS] = [1.5, 0.625, 0.0];
}

impl Points for Eight {
    const AT: [f32; MOST_PAIRS] = [2.0, 0.5, 1.0];
}

/// What the matrices of the first `N / 2 - 1` pairs, 0 and infinity hold.
struct Table<P, const N: usize>(PhantomData<P>);

impl<P: Points, const N: usize> Table<P, N> {
    const PAIRS: usize = N / 2 - 1;
    /// The coefficients of 1, x², x⁴, ... of the product of x² - p² over all pairs.
    const ALL: [f32; MOST_PAIRS + 1] = coefficients(P::AT, Self::PAIRS, MOST_PAIRS);
    /// The same, without a pair.
    const WITHOUT: [[f32; MOST_PAIRS + 1]; MOST_PAIRS] = [
        coefficients(P::AT, Self::PAIRS, 0),
        coefficients(P::AT, Self::PAIRS, 1),
        coefficients(P::AT, Self::PAIRS, 2),
    ];
    /// By power and pair: powers of the pairs' points.
    const POWERS: [[f32; MOST_PAIRS]; MOST_POINTS] = powers(P::AT, Self::PAIRS, false);
    /// The same over the product of the distances to the other points.
    const SCALED: [[f32; MOST_PAIRS]; MOST_POINTS] = powers(P::AT, Self::PAIRS, true);
    /// 1 over the product of the distances of 0 to the other points.
    const ZERO: f32 = (1.0 / product(P::AT, Self::PAIRS, 0.0, MOST_PAIRS)) as f32;
}

/// The product of `square` - p² over the first `pairs` pairs but `skipped`.
const fn product(at: [f32; MOST_PAIRS], pairs: usize, square: f64, skipped: usize) -> f64 {
    let (mut product, mut pair) = (1.0, 0);
    while pair < pairs {
        if pair != skipped {
            product *= square - at[pair] as f64 * at[pair] as f64;
        }
        pair += 1;
    }
    product
}

/// The coefficients of 1, x², x⁴, ... of the product of x² - p² over the first `pairs` pairs but `skipped`.
const fn coefficients(
    at: [f32; MOST_PAIRS],
    pairs: usize,
    skipped: usize,
) -> [f32; MOST_PAIRS + 1] {
    let mut of = [1.0, 0.0, 0.0, 0.0];
    let (mut degree, mut pair) = (0, 0);
    while pair < pairs {
        if pair != skipped {
            let square = at[pair] as f64 * at[pair] as f64;
            degree += 1;
            let mut power = degree;
            of[power] = of[power - 1];
            while power > 1 {
                power -= 1;
                of[power] = of[power - 1] - square * of[power];
            }
            of[0] *= -square;
        }
        pair += 1;
    }
    [of[0] as f32, of[1] as f32, of[2] as f32, of[3] as f32]
}

/// By power and pair: the powers of points, over the product of the distances to the others if `scaled`.
const fn powers(
    at: [f32; MOST_PAIRS],
    pairs: usize,
    scaled: bool,
) -> [[f32; MOST_PAIRS]; MOST_POINTS] {
    let mut powers = [[0.0; MOST_PAIRS]; MOST_POINTS];
    let mut pair = 0;
    while pair < pairs {
        let point = at[pair] as f64;
        let square = point * point;
        let distances = 2.0 * square * product(at, pairs, square, pair);
        let (mut number, mut power) = (if scaled { 1.0 / distances } else { 1.0 }, 0);
        while power < MOST_POINTS {
            powers[power][pair] = number as f32;
            number *= point;
            power += 1;
        }
        pair += 1;
    }
    powers
}

/// Bᵀ, of inputs.
pub(super) struct Input<P>(PhantomData<P>);
/// G, of weights.
pub(super) struct Weight<P>(PhantomData<P>);
/// Aᵀ, to outputs.
pub(super) struct Output<P>(PhantomData<P>);
/// A, of the gradient of outputs.
pub(super) struct OutputGrad<P>(PhantomData<P>);
/// Gᵀ, to the gradient of weights.
pub(super) struct WeightGrad<P>(PhantomData<P>);

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

/// The sum of every second number from `first` on, as many as there are pairs and `more`, times coefficients of which
/// the last is 1.
#[inline(always)]
fn every_second<V: Vector, const N: usize>(
    numbers: &[V; N],
    first: usize,
    count: usize,
    coefficients: &[f32; MOST_PAIRS + 1],
) -> V {
    let mut sum = numbers[first + 2 * (count - 1)];
    for power in (0..count - 1).rev() {
        sum = times_plus(numbers[first + 2 * power], coefficients[power], sum);
    }
    sum
}

impl<P: Points, const N: usize> Transform<N, N> for Input<P> {
    #[inline(always)]
    fn apply<V: Vector>(numbers: [V; N]) -> [V; N] {
        let pairs = Table::<P, N>::PAIRS;
        let mut to = numbers;
        to[0] = every_second(&numbers, 0, pairs + 1, &Table::<P, N>::ALL);
        for pair in 0..pairs {
            let without = &Table::<P, N>::WITHOUT[pair];
            let even = every_second(&numbers, 2, pairs, without);
            let odd = every_second(&numbers, 1, pairs, without);
            to[1 + 2 * pair] = times_plus(odd, P::AT[pair], even);
            to[2 + 2 * pair] = times_plus(odd, -P::AT[pair], even);
        }
        to[N - 1] = every_second(&numbers, 1, pairs + 1, &Table::<P, N>::ALL);
        to
    }
}

/// The polynomial with these coefficients at the pairs' points, where powers are as given; at 0, times `zero`; and at
/// infinity.
#[inline(always)]
fn evaluate<P: Points, V: Vector, const I: usize, const N: usize>(
    numbers: [V; I],
    powers: &[[f32; MOST_PAIRS]; MOST_POINTS],
    zero: f32,
) -> [V; N] {
    let mut to = [times(numbers[0], zero); N];
    for pair in 0..Table::<P, N>::PAIRS {
        let mut even = times(numbers[0], powers[0][pair]);
        let mut odd = times(numbers[1], powers[1][pair]);
        for power in 2..I {
            let sum = if power % 2 == 0 { &mut even } else { &mut odd };
            *sum = times_plus(numbers[power], powers[power][pair], *sum);
        }
        to[1 + 2 * pair] = even.add(odd);
        to[2 + 2 * pair] = even.sub(odd);
    }
    to[N - 1] = numbers[I - 1];
    to
}

/// The transposed of [`evaluate`].
#[inline(always)]
fn collect<P: Points, V: Vector, const N: usize, const O: usize>(
    numbers: [V; N],
    powers: &[[f32; MOST_PAIRS]; MOST_POINTS],
    zero: f32,
) -> [V; O] {
    let pairs = Table::<P, N>::PAIRS;
    let (mut sums, mut differences) = ([numbers[0]; MOST_PAIRS], [numbers[0]; MOST_PAIRS]);
    for pair in 0..pairs {
        let [plus, minus] = [numbers[1 + 2 * pair], numbers[2 + 2 * pair]];
        (sums[pair], differences[pair]) = (plus.add(minus), plus.sub(minus));
    }
    let mut to = [numbers[0]; O];
    for (power, to) in to.iter_mut().enumerate() {
        let of = if power % 2 == 0 { &sums } else { &differences };
        let mut sum = times(of[0], powers[power][0]);
        for pair in 1..pairs {
            sum = times_plus(of[pair], powers[power][pair], sum);
        }
        if power == 0 {
            sum = times_plus(numbers[0], zero, sum);
        }
        *to = if power == O - 1 { sum.add(numbers[N - 1]) } else { sum };
    }
    to
}

impl<P: Points, const K: usize, const N: usize> Transform<K, N> for Weight<P> {
    #[inline(always)]
    fn apply<V: Vector>(numbers: [V; K]) -> [V; N] {
        evaluate::<P, V, K, N>(numbers, &Table::<P, N>::POWERS, 1.0)
    }
}

impl<P: Points, const M: usize, const N: usize> Transform<M, N> for OutputGrad<P> {
    #[inline(always)]
    fn apply<V: Vector>(numbers: [V; M]) -> [V; N] {
        evaluate::<P, V, M, N>(numbers, &Table::<P, N>::SCALED, Table::<P, N>::ZERO)
    }
}

impl<P: Points, const N: usize, const M: usize> Transform<N, M> for Output<P> {
    #[inline(always)]
    fn apply<V: Vector>(numbers: [V; N]) -> [V; M] {
        collect::<P, V, N, M>(numbers, &Table::<P, N>::SCALED, Table::<P, N>::ZERO)
    }
}

impl<P: Points, const N: usize, const K: usize> Transform<N, K> for WeightGrad<P> {
    #[inline(always)]
    fn apply<V: Vector>(numbers: [V; N]) -> [V; K] {
        collect::<P, V, N, K>(numbers, &Table::<P, N>::POWERS, 1.0)
    }
}
