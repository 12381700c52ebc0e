//! Rows brought to mean 0 and variance 1.

use super::cascade::{BLOCK, each_group, each_vector, lane_sums, sum_along};
use super::vector::{Kernel, Vector, dispatch, load, store};
use super::{MatrixMut, MatrixRef, add_slices, with_scratch};

/// What brings a row to mean 0 and variance 1: a float near its mean, one over its standard deviation, and by how much a
/// number is off after both, as the mean need not be a float.
#[derive(Clone, Copy)]
struct Moments {
    near: f32,
    scale: f32,
    shift: f32,
}

impl Moments {
    /// The number less the mean, over the standard deviation.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`.
    #[inline(always)]
    unsafe fn normal<V: Vector>(self, number: V) -> V {
        // SAFETY: as the caller states.
        let (near, scale, shift) =
            unsafe { (V::splat(self.near), V::splat(self.scale), V::splat(self.shift)) };
        number.sub(near).mul_add(scale, shift)
    }
}

/// The moments of rows of so many numbers, `epsilon` being added to the variances.
///
/// # Safety
/// The machine must have the instructions of `V`, and the numbers must be readable.
#[inline(always)]
unsafe fn moments<V: Vector, const ROWS: usize>(
    rows: [*const f32; ROWS],
    len: usize,
    epsilon: f32,
) -> [Moments; ROWS] {
    let share = 1.0 / len as f32;
    // SAFETY: only the rows' floats are loaded.
    unsafe {
        let mut sums = [[V::splat(0.0)]; ROWS];
        for (sums, row) in sums.iter_mut().zip(rows) {
            *sums = sum_along!(1, len, |at, lanes, sums| [sums[0].add(load(row.add(at), lanes))]);
        }
        let mut moments = [Moments { near: 0.0, scale: 0.0, shift: 0.0 }; ROWS];
        for (moments, [sum]) in moments.iter_mut().zip(lane_sums(sums)) {
            moments.near = sum * share;
        }
        // The distances from the mean as it was rounded say by how much that is off.
        let mut sums = [[V::splat(0.0); 2]; ROWS];
        for ((sums, row), moments) in sums.iter_mut().zip(rows).zip(&moments) {
            let near = V::splat(moments.near);
            *sums = sum_along!(2, len, |at, lanes, sums| {
                let off = V::load_part_or(row.add(at), lanes, near).sub(near);
                [sums[0].add(off), off.mul_add(off, sums[1])]
            });
        }
        for (moments, [sum, squares]) in moments.iter_mut().zip(lane_sums(sums)) {
            let off = sum * share;
            let variance = (squares - off * sum) * share;
            // Rounding leaves less than nothing where all numbers are the same.
            let variance = if variance < 0.0 { 0.0 } else { variance };
            moments.scale = 1.0 / (variance + epsilon).sqrt();
            moments.shift = -off * moments.scale;
        }
        moments
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
    struct Norm<'a>(f32, MatrixRef<'a>, [&'a [f32]; 2], MatrixMut<'a>);
    impl Norm<'_> {
        #[inline(always)]
        unsafe fn rows<V: Vector, const ROWS: usize>(&mut self, first: usize) {
            let Self(epsilon, input, [weight, bias], output) = self;
            let (from, len) = (input.starts::<ROWS>(first), input.cols());
            let to = output.starts_mut::<ROWS>(first);
            // SAFETY: rows, weights and biases have as many floats.
            unsafe {
                let moments = moments::<V, ROWS>(from, len, *epsilon);
                for (moments, (from, to)) in moments.into_iter().zip(from.into_iter().zip(to)) {
                    each_vector!(len, |at, lanes| {
                        let normal = moments.normal::<V>(load(from.add(at), lanes));
                        let bias = load(bias.as_ptr().add(at), lanes);
                        let moved = normal.mul_add(load(weight.as_ptr().add(at), lanes), bias);
                        store(moved, to.add(at), lanes);
                    });
                }
            }
        }
    }
    impl Kernel for Norm<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(mut self) {
            let [rows, cols] = [self.1.rows(), self.1.cols()];
            // SAFETY: as the caller states; the rows exist.
            each_group!(rows, cols, |first, ROWS| unsafe { self.rows::<V, ROWS>(first) });
        }
    }
    let cols = output.cols();
    assert_eq!([input.rows(), input.cols()], [output.rows(), cols], "input, output");
    assert_eq!([weight.len(), bias.len()], [cols, cols], "weight and bias, columns");
    dispatch(Norm(epsilon, input, [weight, bias], output));
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
    impl NormGrad<'_> {
        #[inline(always)]
        unsafe fn rows<V: Vector, const ROWS: usize>(&mut self, first: usize) {
            let Self(epsilon, input, weight, output_grad, gradient) = self;
            let (x, grads) = (input.starts::<ROWS>(first), output_grad.starts::<ROWS>(first));
            let to = gradient.starts_mut::<ROWS>(first);
            let (len, share) = (weight.len(), 1.0 / weight.len() as f32);
            // SAFETY: rows and weights have as many floats.
            unsafe {
                let moments = moments::<V, ROWS>(x, len, *epsilon);
                let mut sums = [[V::splat(0.0); 2]; ROWS];
                for row in 0..ROWS {
                    sums[row] = sum_along!(2, len, |at, lanes, sums| {
                        // Lanes beyond the row have no gradient.
                        let normal = moments[row].normal::<V>(load(x[row].add(at), lanes));
                        let grad: V = load(grads[row].add(at), lanes);
                        let grad = grad.mul(load(weight.as_ptr().add(at), lanes));
                        [sums[0].add(grad), grad.mul_add(normal, sums[1])]
                    });
                }
                let mut means = lane_sums(sums);
                for means in &mut means {
                    *means = [means[0] * share, means[1] * share];
                }
                for row in 0..ROWS {
                    let scale = V::splat(moments[row].scale);
                    let (mean, slope) = (V::splat(means[row][0]), V::splat(-means[row][1]));
                    each_vector!(len, |at, lanes| {
                        let normal = moments[row].normal::<V>(load(x[row].add(at), lanes));
                        let grad: V = load(grads[row].add(at), lanes);
                        let grad = grad.mul(load(weight.as_ptr().add(at), lanes));
                        let rest = normal.mul_add(slope, grad.sub(mean));
                        store(rest.mul(scale), to[row].add(at), lanes);
                    });
                }
            }
        }
    }
    impl Kernel for NormGrad<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(mut self) {
            let [rows, cols] = [self.1.rows(), self.1.cols()];
            // SAFETY: as the caller states; the rows exist.
            each_group!(rows, cols, |first, ROWS| unsafe { self.rows::<V, ROWS>(first) });
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
    /// Adds the terms of some rows to sums, row after row.
    struct WeightGrad<'a>(f32, MatrixRef<'a>, MatrixRef<'a>, &'a mut [f32]);
    impl WeightGrad<'_> {
        #[inline(always)]
        unsafe fn rows<V: Vector, const ROWS: usize>(&mut self, first: usize) {
            let Self(epsilon, input, output_grad, sums) = self;
            let (x, grads) = (input.starts::<ROWS>(first), output_grad.starts::<ROWS>(first));
            // SAFETY: rows and sums have as many floats.
            unsafe {
                let moments = moments::<V, ROWS>(x, sums.len(), *epsilon);
                each_vector!(sums.len(), |at, lanes| {
                    let to = sums.as_mut_ptr().add(at);
                    let mut sum: V = load(to, lanes);
                    for row in 0..ROWS {
                        let normal = moments[row].normal::<V>(load(x[row].add(at), lanes));
                        sum = load::<V>(grads[row].add(at), lanes).mul_add(normal, sum);
                    }
                    store(sum, to, lanes);
                });
            }
        }
    }
    impl Kernel for WeightGrad<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(mut self) {
            let [rows, cols] = [self.1.rows(), self.1.cols()];
            // SAFETY: as the caller states; the rows exist.
            each_group!(rows, cols, |first, ROWS| unsafe { self.rows::<V, ROWS>(first) });
        }
    }
    let [rows, cols] = [input.rows(), input.cols()];
    assert_eq!(
        [output_grad.rows(), output_grad.cols()],
        [rows, cols],
        "gradient of the output, input"
    );
    assert_eq!(gradient.len(), cols, "gradient, columns");
    let blocks = rows.div_ceil(BLOCK);
    let levels = blocks.saturating_sub(1).checked_ilog2().map_or(0, |most| most as usize + 1);
    with_scratch(levels * cols, |scratch| {
        // Blocks join as in a cascade. Their sums do not stay in registers, so that every row is read once.
        for block in 0..blocks.max(1) {
            let (first, end) = (block * BLOCK, rows.min((block + 1) * BLOCK));
            let (x, grads) = (input.slice_rows(first..end), output_grad.slice_rows(first..end));
            gradient.fill(0.0);
            dispatch(WeightGrad(epsilon, x, grads, gradient));
            for (level, sums) in scratch.chunks_exact_mut(cols.max(1)).enumerate() {
                if block >> level & 1 == 1 {
                    add_slices(gradient, sums);
                } else if end < rows {
                    sums.copy_from_slice(gradient);
                    break;
                }
            }
        }
    });
}
