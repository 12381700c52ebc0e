//! Columns brought to mean 0 and variance 1.
//!
//! Moments are a mean and a sum of squared distances from it for every column, so that far from zero
//! nothing is lost, and those of several blocks of rows can be merged.

use super::cascade::{BLOCK, Sums, TILE, each_vector, join_blocks, sum_rows};
use super::vector::{Kernel, Vector, dispatch, load, store};
use super::{MatrixMut, MatrixRef};

/// The moments of some rows, in `N` vectors of columns: their means less a number of each column that is near all of them,
/// and the sums of squared distances from the means.
#[derive(Clone, Copy)]
struct Part<V, const N: usize> {
    rows: usize,
    means: [V; N],
    squares: [V; N],
}

impl<V: Vector, const N: usize> Sums for Part<V, N> {
    /// As in Chan, Golub and `LeVeque` 1983.
    #[inline(always)]
    fn join(mut self, other: Self) -> Self {
        let rows = self.rows + other.rows;
        let share = other.rows as f32 / rows as f32;
        // SAFETY: the values show that the machine has the instructions.
        let (weight, share) = unsafe { (V::splat(self.rows as f32 * share), V::splat(share)) };
        for vector in 0..N {
            let apart = other.means[vector].sub(self.means[vector]);
            let squares = self.squares[vector].add(other.squares[vector]);
            self.means[vector] = apart.mul_add(share, self.means[vector]);
            self.squares[vector] = apart.mul(apart).mul_add(weight, squares);
        }
        Self { rows, ..self }
    }
}

/// The moments of the columns of `x`, overwriting `moments`: all means, then all sums of squared
/// distances from the mean.
///
/// # Panics
/// If there are no rows, or not two numbers for each column.
pub(crate) fn column_moments(x: MatrixRef<'_>, moments: &mut [f32]) {
    struct Moments<'a>(MatrixRef<'a>, &'a mut [f32]);
    impl Moments<'_> {
        /// Those of `N` vectors of columns, the last with so many lanes; each sum of a block is `SIDE` sums side by side,
        /// whose additions do not wait for each other.
        #[inline(always)]
        unsafe fn columns<V: Vector, const N: usize, const SIDE: usize>(
            &mut self,
            col: usize,
            lanes: usize,
        ) {
            let x = self.0;
            let from = x.as_ptr().wrapping_add(col);
            macro_rules! sum_block {
                ($count:literal, $rows:expr, |$number:ident, $vector:ident, $sum:ident| $add:expr) => {{
                    let (mut row, end) = ($rows.start, $rows.end);
                    let mut side = [[[V::splat(0.0); $count]; N]; SIDE];
                    while row < end {
                        // The last rows, if they are fewer, go to the first sums.
                        let rows = if row + SIDE <= end { SIDE } else { 1 };
                        for (next, sums) in side.iter_mut().enumerate() {
                            if next < rows {
                                let from = from.add((row + next) * x.stride());
                                for ($vector, sum) in sums.iter_mut().enumerate() {
                                    let $number: V = load(from.add($vector * V::LANES), lanes);
                                    let $sum = *sum;
                                    *sum = $add;
                                }
                            }
                        }
                        row += rows;
                    }
                    let mut sums = side[0];
                    for others in &side[1..] {
                        sums = sums.join(*others);
                    }
                    sums
                }};
            }
            // SAFETY: as the caller states; these columns are within the rows, and there are as many moments.
            unsafe {
                let mut origin = [V::splat(0.0); N];
                // The rows of a block are in the first-level cache when they are read again.
                let Part { means, squares, .. } = join_blocks!(x.rows(), SIDE * BLOCK, |rows| {
                    let share = V::splat(1.0 / rows.len() as f32);
                    let sums = sum_block!(1, rows, |number, _vector, sum| [sum[0].add(number)]);
                    let mut near = origin;
                    for (near, [sum]) in near.iter_mut().zip(sums) {
                        *near = sum.mul(share);
                    }
                    if rows.start == 0 {
                        origin = near;
                    }
                    // The distances from the mean as it was rounded say by how much that is off.
                    let sums = sum_block!(2, rows, |number, vector, sums| {
                        let off = number.sub(near[vector]);
                        [sums[0].add(off), off.mul_add(off, sums[1])]
                    });
                    let mut part = Part { rows: rows.len(), means: near, squares: near };
                    for (vector, [off, sum]) in sums.into_iter().enumerate() {
                        let shift = off.mul(share);
                        let mean = near[vector].sub(origin[vector]).add(shift);
                        let about_mean = V::splat(0.0).max(sum.sub(shift.mul(off)));
                        (part.means[vector], part.squares[vector]) = (mean, about_mean);
                    }
                    part
                });
                let (to_means, to_squares) = self.1.split_at_mut(x.cols());
                for vector in 0..N {
                    let to = col + vector * V::LANES;
                    let mean = origin[vector].add(means[vector]);
                    store(mean, to_means.as_mut_ptr().add(to), lanes);
                    store(squares[vector], to_squares.as_mut_ptr().add(to), lanes);
                }
            }
        }
    }
    impl Kernel for Moments<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(mut self) {
            let cols = self.0.cols();
            let whole = cols - cols % (TILE * V::LANES);
            // SAFETY: as the caller states; these columns exist.
            unsafe {
                for col in (0..whole).step_by(TILE * V::LANES) {
                    self.columns::<V, TILE, 1>(col, V::LANES);
                }
                each_vector!(cols - whole, |col, lanes| {
                    self.columns::<V, 1, TILE>(whole + col, lanes);
                });
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
    // SAFETY: the kernel reads a number of the output before it writes it.
    let input = unsafe { output.input_or_itself(input) };
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
                    |row, col, lanes, sums| {
                        let grad = output_grad.as_ptr().add(row * output_grad.stride() + col);
                        let grad: V = load(grad, lanes);
                        let x = load::<V>(input.as_ptr().add(row * input.stride() + col), lanes);
                        let off = x.sub(load(mean.as_ptr().add(col), lanes));
                        [sums[0].add(grad), grad.mul_add(off, sums[1])]
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
