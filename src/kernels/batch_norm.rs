//! Columns brought to mean 0 and variance 1.
//!
//! Moments are a mean and a sum of squared distances from it for every column, so that far from zero
//! nothing is lost, and those of several blocks of rows can be merged.

use super::cascade::sum_rows;
use super::vector::{Kernel, Vector, dispatch, load, store};
use super::{MatrixMut, MatrixRef};

/// The moments of the columns of `x`, overwriting `moments`: all means, then all sums of squared
/// distances from the mean.
///
/// # Panics
/// If there are no rows, or not two numbers for each column.
pub(crate) fn column_moments(x: MatrixRef<'_>, moments: &mut [f32]) {
    struct Moments<'a>(MatrixRef<'a>, &'a mut [f32]);
    impl Kernel for Moments<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self(x, moments) = self;
            let size = [x.rows(), x.cols()];
            let (means, squares) = moments.split_at_mut(size[1]);
            let (means, squares) = (means.as_mut_ptr(), squares.as_mut_ptr());
            // SAFETY: only columns within the rows are touched, and there are as many moments.
            unsafe {
                let at = |row: usize, col: usize| x.as_ptr().add(row * x.stride() + col);
                let share = V::splat(1.0 / size[0] as f32);
                sum_rows!(1, size, |row, col, lanes| [load(at(row, col), lanes)], |[sum]| store(
                    sum.mul(share),
                    means.add(col),
                    lanes
                ),);
                // The distances from the mean as it was rounded say by how much that is off.
                sum_rows!(
                    2,
                    size,
                    |row, col, lanes| {
                        let off: V =
                            load::<V>(at(row, col), lanes).sub(load(means.add(col), lanes));
                        [off, off.mul(off)]
                    },
                    |[off, sum]| {
                        let shift = off.mul(share);
                        let about_mean = V::splat(0.0).max(sum.sub(shift.mul(off)));
                        store(about_mean, squares.add(col), lanes);
                        let mean = means.add(col);
                        store(load::<V>(mean, lanes).add(shift), mean, lanes);
                    },
                );
            }
        }
    }
    assert!(x.rows() > 0, "rows");
    assert_eq!(moments.len(), 2 * x.cols(), "moments, columns");
    dispatch(Moments(x, moments));
}

/// Merges the moments of `more` rows into those of `rows` others (Chan, Golub and `LeVeque` 1983).
///
/// # Panics
/// If the lengths differ.
pub(crate) fn merge_moments(moments: &mut [f32], rows: usize, others: &[f32], more: usize) {
    assert_eq!(moments.len(), others.len(), "moments");
    let columns = moments.len() / 2;
    let (means, squares) = moments.split_at_mut(columns);
    let (other_means, other_squares) = others.split_at(columns);
    let share = more as f32 / (rows + more) as f32;
    for column in 0..columns {
        let apart = other_means[column] - means[column];
        means[column] += apart * share;
        squares[column] += other_squares[column] + apart * apart * (rows as f32 * share);
    }
}

/// Every number less its column's mean, times the column's factor, plus its bias; without `input`, of
/// what the output holds.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn batch_norm(
    input: Option<MatrixRef<'_>>,
    mean: &[f32],
    factor: &[f32],
    bias: &[f32],
    mut output: MatrixMut<'_>,
) {
    struct Norm<'a> {
        input: MatrixRef<'a>,
        coefficients: [&'a [f32]; 3],
        output: *mut f32,
        stride: usize,
    }
    impl Kernel for Norm<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self { input, coefficients: [mean, factor, bias], output, stride } = self;
            let cols = input.cols();
            for row in 0..input.rows() {
                let from = input.as_ptr().wrapping_add(row * input.stride());
                let to = output.wrapping_add(row * stride);
                // SAFETY: rows and coefficients have `cols` floats, and only those are touched.
                unsafe {
                    for at in (0..cols).step_by(V::LANES) {
                        let lanes = V::LANES.min(cols - at);
                        let of = |numbers: &[f32]| load::<V>(numbers.as_ptr().add(at), lanes);
                        let off = load::<V>(from.add(at), lanes).sub(of(mean));
                        store(off.mul_add(of(factor), of(bias)), to.add(at), lanes);
                    }
                }
            }
        }
    }
    let size = [output.rows(), output.cols()];
    assert_eq!([mean.len(), factor.len(), bias.len()], [size[1]; 3], "coefficients, columns");
    let (stride, pointer) = (output.stride(), output.as_mut_ptr());
    let input = input.unwrap_or_else(|| {
        // SAFETY: the kernel reads a number of the output before it writes it.
        unsafe { MatrixRef::from_raw(pointer, size[0], size[1], stride) }
    });
    assert_eq!([input.rows(), input.cols()], size, "input, output");
    dispatch(Norm { input, coefficients: [mean, factor, bias], output: pointer, stride });
}

/// The sums over all rows, for each column, of the output's gradient, and of it times the normalised
/// input: the input less `mean`, times `scale`. First all of the former, then all of the latter.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn batch_norm_sums(
    input: MatrixRef<'_>,
    mean: &[f32],
    scale: &[f32],
    output_grad: MatrixRef<'_>,
    sums: &mut [f32],
) {
    struct SumRows<'a> {
        input: MatrixRef<'a>,
        output_grad: MatrixRef<'a>,
        mean: &'a [f32],
        scale: &'a [f32],
        sums: &'a mut [f32],
    }
    impl Kernel for SumRows<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self { input, output_grad, mean, scale, sums } = self;
            let size = [input.rows(), input.cols()];
            let (grads, products) = sums.split_at_mut(size[1]);
            let (grads, products) = (grads.as_mut_ptr(), products.as_mut_ptr());
            // SAFETY: only columns within the rows are touched, and there are as many of all else.
            unsafe {
                sum_rows!(
                    2,
                    size,
                    |row, col, lanes| {
                        let grad = output_grad.as_ptr().add(row * output_grad.stride() + col);
                        let grad: V = load(grad, lanes);
                        let x = load::<V>(input.as_ptr().add(row * input.stride() + col), lanes);
                        [grad, grad.mul(x.sub(load(mean.as_ptr().add(col), lanes)))]
                    },
                    |[sum, product]| {
                        store(sum, grads.add(col), lanes);
                        let product = product.mul(load(scale.as_ptr().add(col), lanes));
                        store(product, products.add(col), lanes);
                    },
                );
            }
        }
    }
    let size = [input.rows(), input.cols()];
    assert_eq!([output_grad.rows(), output_grad.cols()], size, "gradient of the output, input");
    assert_eq!([mean.len(), scale.len()], [size[1]; 2], "mean and scale, columns");
    assert_eq!(sums.len(), 2 * size[1], "sums, columns");
    dispatch(SumRows { input, output_grad, mean, scale, sums });
}

/// `output_grad * factor - ((input - mean) * slope + offset)`, each but the matrices a number for each
/// column, overwriting `gradient`.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn batch_norm_grad(
    input: MatrixRef<'_>,
    mean: &[f32],
    output_grad: MatrixRef<'_>,
    [factor, slope, offset]: [&[f32]; 3],
    gradient: MatrixMut<'_>,
) {
    struct Combine<'a> {
        input: MatrixRef<'a>,
        output_grad: MatrixRef<'a>,
        coefficients: [&'a [f32]; 4],
        gradient: MatrixMut<'a>,
    }
    impl Kernel for Combine<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self { input, output_grad, coefficients, mut gradient } = self;
            let [mean, factor, slope, offset] = coefficients;
            let cols = input.cols();
            for row in 0..input.rows() {
                let (x, grad) = (input.row(row).as_ptr(), output_grad.row(row).as_ptr());
                let to = gradient.row_mut(row).as_mut_ptr();
                // SAFETY: rows and coefficients have `cols` floats, and only those are touched.
                unsafe {
                    for at in (0..cols).step_by(V::LANES) {
                        let lanes = V::LANES.min(cols - at);
                        let of = |numbers: &[f32]| load::<V>(numbers.as_ptr().add(at), lanes);
                        let off = load::<V>(x.add(at), lanes).sub(of(mean));
                        let less = off.mul_add(of(slope), of(offset));
                        let scaled = load::<V>(grad.add(at), lanes).mul(of(factor));
                        store(scaled.sub(less), to.add(at), lanes);
                    }
                }
            }
        }
    }
    let size = [gradient.rows(), gradient.cols()];
    assert_eq!([input.rows(), input.cols()], size, "input, gradient");
    assert_eq!([output_grad.rows(), output_grad.cols()], size, "gradients of output and input");
    let coefficients = [mean, factor, slope, offset];
    assert_eq!(coefficients.map(<[f32]>::len), [size[1]; 4], "coefficients, columns");
    dispatch(Combine { input, output_grad, coefficients, gradient });
}
