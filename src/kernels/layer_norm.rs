//! Rows brought to mean 0 and variance 1.

use super::cascade::{sum_row, sum_rows};
use super::vector::{Kernel, Vector, dispatch, load, store};
use super::{MatrixMut, MatrixRef, with_scratch};

/// The mean of a row in two parts, a float near it and by how much that is off, and one over the standard
/// deviation, `epsilon` being added to the variance.
#[derive(Clone, Copy)]
struct Moments {
    near: f32,
    off: f32,
    scale: f32,
}

impl Moments {
    /// The number less the mean, over the standard deviation.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`.
    #[inline(always)]
    unsafe fn normal<V: Vector>(self, number: V) -> V {
        // SAFETY: as the caller states.
        let (near, off, scale) =
            unsafe { (V::splat(self.near), V::splat(self.off), V::splat(self.scale)) };
        number.sub(near).sub(off).mul(scale)
    }
}

/// The moments of a row.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
unsafe fn moments<V: Vector>(row: &[f32], epsilon: f32) -> Moments {
    let count = row.len() as f32;
    // SAFETY: only the row's floats are loaded.
    unsafe {
        let [sum] = sum_row!(1, row.len(), |at, lanes| [load(row.as_ptr().add(at), lanes)]);
        let near = sum / count;
        let middle = V::splat(near);
        // The distances from the mean as it was rounded say by how much that is off.
        let [sum, squares] = sum_row!(2, row.len(), |at, lanes| {
            let off = V::load_part_or(row.as_ptr().add(at), lanes, middle).sub(middle);
            [off, off.mul(off)]
        });
        let off = sum / count;
        let variance = (squares - off * sum) / count;
        // Rounding leaves less than nothing where all numbers are the same.
        let variance = if variance < 0.0 { 0.0 } else { variance };
        Moments { near, off, scale: 1.0 / (variance + epsilon).sqrt() }
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
                    let moments = moments::<V>(from, epsilon);
                    for at in (0..to.len()).step_by(V::LANES) {
                        let lanes = V::LANES.min(to.len() - at);
                        let normal = moments.normal::<V>(load(from.as_ptr().add(at), lanes));
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

/// What stands from `at` on, so many lanes, in a row less its mean over its standard deviation, and in the gradient times
/// the weight; given where the row, the gradient and the weight begin.
///
/// # Safety
/// The machine must have the instructions of `V`, and all three must have these floats.
#[inline(always)]
unsafe fn normal_and_grad<V: Vector>(
    moments: Moments,
    [x, grad, weight]: [*const f32; 3],
    at: usize,
    lanes: usize,
) -> (V, V) {
    // SAFETY: as the caller states.
    unsafe {
        let normal = moments.normal::<V>(load(x.add(at), lanes));
        (normal, load::<V>(grad.add(at), lanes).mul(load(weight.add(at), lanes)))
    }
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
                    let moments = moments::<V>(x, epsilon);
                    let places = [x.as_ptr(), grads.as_ptr(), weight.as_ptr()];
                    let sums = sum_row!(2, to.len(), |start, lanes| {
                        let (normal, grad) = normal_and_grad::<V>(moments, places, start, lanes);
                        // Lanes beyond the row have no gradient.
                        [grad, grad.mul(normal)]
                    });
                    let means = [V::splat(sums[0] / count), V::splat(sums[1] / count)];
                    for start in (0..to.len()).step_by(V::LANES) {
                        let lanes = V::LANES.min(to.len() - start);
                        let (normal, grad) = normal_and_grad::<V>(moments, places, start, lanes);
                        let rest = grad.sub(means[0]).sub(normal.mul(means[1]));
                        let rest = rest.mul(V::splat(moments.scale));
                        store(rest, to.as_mut_ptr().add(start), lanes);
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
    struct WeightGrad<'a>(f32, MatrixRef<'a>, MatrixRef<'a>, &'a mut [f32], &'a mut [f32]);
    impl Kernel for WeightGrad<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self(epsilon, input, output_grad, scratch, sums) = self;
            for (row, to) in scratch.chunks_exact_mut(3).enumerate() {
                // SAFETY: as the caller states.
                let Moments { near, off, scale } = unsafe { moments::<V>(input.row(row), epsilon) };
                to.copy_from_slice(&[near, off, scale]);
            }
            let size = [input.rows(), input.cols()];
            // SAFETY: rows and sums have as many floats.
            unsafe {
                sum_rows!(
                    1,
                    size,
                    |row, col, lanes| {
                        let at = 3 * row;
                        let (near, off, scale) = (scratch[at], scratch[at + 1], scratch[at + 2]);
                        let moments = Moments { near, off, scale };
                        let x = input.as_ptr().add(row * input.stride() + col);
                        let grad = output_grad.as_ptr().add(row * output_grad.stride() + col);
                        let normal = moments.normal::<V>(load(x, lanes));
                        [load::<V>(grad, lanes).mul(normal)]
                    },
                    |[sum]| store(sum, sums.as_mut_ptr().add(col), lanes),
                );
            }
        }
    }
    let size = [input.rows(), input.cols()];
    assert_eq!([output_grad.rows(), output_grad.cols()], size, "gradient of the output, input");
    assert_eq!(gradient.len(), size[1], "gradient, columns");
    with_scratch(3 * size[0], |scratch| {
        dispatch(WeightGrad(epsilon, input, output_grad, scratch, gradient));
    });
}
