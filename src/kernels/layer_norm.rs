//! Rows brought to mean 0 and variance 1.

use super::vector::{Kernel, Vector, dispatch, load, store};
use super::{MatrixMut, MatrixRef};

/// The mean of a row, and one over its standard deviation, `epsilon` being added to the variance.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
unsafe fn statistics<V: Vector>(row: &[f32], epsilon: f32) -> (f32, f32) {
    let count = row.len() as f32;
    // SAFETY: only the row's floats are loaded.
    unsafe {
        let mut sum = V::splat(0.0);
        for at in (0..row.len()).step_by(V::LANES) {
            sum = sum.add(load(row.as_ptr().add(at), V::LANES.min(row.len() - at)));
        }
        let mean = sum.sum() / count;
        let mut squares = V::splat(0.0);
        for at in (0..row.len()).step_by(V::LANES) {
            let lanes = V::LANES.min(row.len() - at);
            let middle = V::splat(mean);
            let off = V::load_part_or(row.as_ptr().add(at), lanes, middle).sub(middle);
            squares = off.mul_add(off, squares);
        }
        (mean, 1.0 / (squares.sum() / count + epsilon).sqrt())
    }
}

/// Every row less its mean, over its standard deviation (the square root of its mean squared
/// distance from the mean plus `epsilon`), times `weight` plus `bias`, column by column.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn layer_norm(
    epsilon: f32,
    input: MatrixRef<'_>,
    weight: &[f32],
    bias: &[f32],
    output: MatrixMut<'_>,
) {
    struct Norm<'a>(f32, MatrixRef<'a>, &'a [f32], &'a [f32], MatrixMut<'a>);
    impl Kernel for Norm<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self(epsilon, input, weight, bias, mut output) = self;
            for row in 0..output.rows() {
                let (from, to) = (input.row(row), output.row_mut(row));
                // SAFETY: rows, weights and biases have as many floats.
                unsafe {
                    let (mean, scale) = statistics::<V>(from, epsilon);
                    for at in (0..to.len()).step_by(V::LANES) {
                        let lanes = V::LANES.min(to.len() - at);
                        let off = load::<V>(from.as_ptr().add(at), lanes).sub(V::splat(mean));
                        let normal = off.mul(V::splat(scale));
                        let (weight, bias) = (
                            load(weight.as_ptr().add(at), lanes),
                            load(bias.as_ptr().add(at), lanes),
                        );
                        store(normal.mul_add(weight, bias), to.as_mut_ptr().add(at), lanes);
                    }
                }
            }
        }
    }
    let cols = output.cols();
    assert_eq!([input.rows(), input.cols()], [output.rows(), cols], "input, output");
    assert_eq!([weight.len(), bias.len()], [cols, cols], "weight and bias, columns");
    dispatch(Norm(epsilon, input, weight, bias, output));
}

/// The gradient of [`layer_norm`]'s input, overwriting `gradient`. With `n` the input less its mean,
/// over its standard deviation, and `g` the output's gradient times `weight`, it is
/// `(g - mean(g) - n * mean(g * n))` over the standard deviation.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn layer_norm_grad(
    epsilon: f32,
    input: MatrixRef<'_>,
    weight: &[f32],
    output_grad: MatrixRef<'_>,
    gradient: MatrixMut<'_>,
) {
    struct NormGrad<'a>(f32, MatrixRef<'a>, &'a [f32], MatrixRef<'a>, MatrixMut<'a>);
    impl Kernel for NormGrad<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self(epsilon, input, weight, output_grad, mut gradient) = self;
            let count = weight.len() as f32;
            for row in 0..gradient.rows() {
                let (x, grads) = (input.row(row), output_grad.row(row));
                let to = gradient.row_mut(row);
                // SAFETY: rows and weights have as many floats.
                unsafe {
                    let (mean, scale) = statistics::<V>(x, epsilon);
                    let at = |at: usize, lanes: usize| {
                        let off = load::<V>(x.as_ptr().add(at), lanes).sub(V::splat(mean));
                        let grad = load::<V>(grads.as_ptr().add(at), lanes);
                        (off.mul(V::splat(scale)), grad.mul(load(weight.as_ptr().add(at), lanes)))
                    };
                    let mut sums = [V::splat(0.0); 2];
                    for start in (0..to.len()).step_by(V::LANES) {
                        let (normal, grad) = at(start, V::LANES.min(to.len() - start));
                        // Lanes beyond the row have no gradient.
                        sums = [sums[0].add(grad), grad.mul_add(normal, sums[1])];
                    }
                    let means = sums.map(|sum| V::splat(sum.sum() / count));
                    for start in (0..to.len()).step_by(V::LANES) {
                        let lanes = V::LANES.min(to.len() - start);
                        let (normal, grad) = at(start, lanes);
                        let rest = grad.sub(means[0]).sub(normal.mul(means[1]));
                        store(rest.mul(V::splat(scale)), to.as_mut_ptr().add(start), lanes);
                    }
                }
            }
        }
    }
    let size = [gradient.rows(), gradient.cols()];
    assert_eq!([input.rows(), input.cols()], size, "input, gradient");
    assert_eq!([output_grad.rows(), output_grad.cols()], size, "gradients of output and input");
    assert_eq!(weight.len(), size[1], "weight, columns");
    dispatch(NormGrad(epsilon, input, weight, output_grad, gradient));
}

/// The gradient of [`layer_norm`]'s weight, overwriting `gradient`: the sums over all rows of the
/// output's gradient times the normalised input.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn layer_norm_weight_grad(
    epsilon: f32,
    input: MatrixRef<'_>,
    output_grad: MatrixRef<'_>,
    gradient: &mut [f32],
) {
    struct WeightGrad<'a>(f32, MatrixRef<'a>, MatrixRef<'a>, &'a mut [f32]);
    impl Kernel for WeightGrad<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self(epsilon, input, output_grad, sums) = self;
            sums.fill(0.0);
            for row in 0..input.rows() {
                let (x, grads) = (input.row(row), output_grad.row(row));
                // SAFETY: rows and sums have as many floats.
                unsafe {
                    let (mean, scale) = statistics::<V>(x, epsilon);
                    for at in (0..sums.len()).step_by(V::LANES) {
                        let lanes = V::LANES.min(sums.len() - at);
                        let off = load::<V>(x.as_ptr().add(at), lanes).sub(V::splat(mean));
                        let grad: V = load(grads.as_ptr().add(at), lanes);
                        let to = sums.as_mut_ptr().add(at);
                        let sum = grad.mul_add(off.mul(V::splat(scale)), load(to, lanes));
                        store(sum, to, lanes);
                    }
                }
            }
        }
    }
    let size = [input.rows(), input.cols()];
    assert_eq!([output_grad.rows(), output_grad.cols()], size, "gradient of the output, input");
    assert_eq!(gradient.len(), size[1], "gradient, columns");
    dispatch(WeightGrad(epsilon, input, output_grad, gradient));
}
