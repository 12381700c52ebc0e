//! A rectifier with a slope for each column.

use super::cascade::{sum_along, sum_rows};
use super::vector::{Kernel, Vector, dispatch, load, store};
use super::{MatrixMut, MatrixRef, with_scratch};

/// Slopes: one for each column, or a single one for all.
///
/// # Safety
/// The machine must have the instructions of `V`, and there must be `lanes` columns from `at` on.
#[inline(always)]
unsafe fn slopes_at<V: Vector>(slopes: &[f32], at: usize, lanes: usize) -> V {
    // SAFETY: as the caller states.
    unsafe {
        match slopes {
            [shared] => V::splat(*shared),
            _ => load(slopes.as_ptr().add(at), lanes),
        }
    }
}

fn check(slopes: &[f32], cols: usize) {
    assert!(slopes.len() == 1 || slopes.len() == cols, "{} slopes, {cols} columns", slopes.len());
}

/// The `numbers` where `input` is positive (or NaN), elsewhere `numbers` times the slope of the
/// column: the function itself where both are the same, its gradient where the numbers are that of
/// the output.
///
/// # Panics
/// If the sizes differ, or if there is neither one slope nor one for each column.
pub(crate) fn prelu(
    input: MatrixRef<'_>,
    slopes: &[f32],
    numbers: MatrixRef<'_>,
    output: MatrixMut<'_>,
) {
    struct Prelu<'a>(MatrixRef<'a>, &'a [f32], MatrixRef<'a>, MatrixMut<'a>);
    impl Kernel for Prelu<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self(input, slopes, numbers, mut output) = self;
            for row in 0..output.rows() {
                let (x, numbers) = (input.row(row), numbers.row(row));
                let to = output.row_mut(row);
                for at in (0..to.len()).step_by(V::LANES) {
                    let lanes = V::LANES.min(to.len() - at);
                    // SAFETY: all rows have as many floats, and so many slopes or one.
                    unsafe {
                        let x: V = load(x.as_ptr().add(at), lanes);
                        let numbers: V = load(numbers.as_ptr().add(at), lanes);
                        let below = numbers.mul(slopes_at(slopes, at, lanes));
                        let result = x.select_le(V::splat(0.0), below, numbers);
                        store(result, to.as_mut_ptr().add(at), lanes);
                    }
                }
            }
        }
    }
    let size = [output.rows(), output.cols()];
    assert_eq!([input.rows(), input.cols()], size, "input and output differ in size");
    assert_eq!([numbers.rows(), numbers.cols()], size, "numbers and output differ in size");
    check(slopes, output.cols());
    dispatch(Prelu(input, slopes, numbers, output));
}

/// The input times the gradient of the output, where the input is not positive.
///
/// # Safety
/// The machine must have the instructions of `V`, and so many floats must be readable at both places.
#[inline(always)]
unsafe fn term<V: Vector>([x, grad]: [*const f32; 2], lanes: usize) -> V {
    // SAFETY: as the caller states.
    unsafe {
        let (zero, x): (V, V) = (V::splat(0.0), load(x, lanes));
        x.select_le(zero, x.mul(load(grad, lanes)), zero)
    }
}

/// The gradient of [`prelu`]'s slopes, overwriting `gradient`: the sums of input times gradient of the
/// output where the input is not positive.
///
/// # Panics
/// If the sizes differ, or if there is neither one slope nor one for each column.
pub(crate) fn prelu_slope_grad(
    input: MatrixRef<'_>,
    output_grad: MatrixRef<'_>,
    gradient: &mut [f32],
) {
    struct SlopeGrad<'a> {
        input: MatrixRef<'a>,
        output_grad: MatrixRef<'a>,
        sums: &'a mut [f32],
        /// What all sums add up to.
        total: Option<&'a mut f32>,
    }
    impl Kernel for SlopeGrad<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self { input, output_grad, sums, total } = self;
            let [rows, cols] = [input.rows(), input.cols()];
            let at = |row: usize, col: usize| {
                let x = input.as_ptr().wrapping_add(row * input.stride() + col);
                [x, output_grad.as_ptr().wrapping_add(row * output_grad.stride() + col)]
            };
            let to = sums.as_mut_ptr();
            // SAFETY: all rows have `cols` floats, and there are so many sums.
            unsafe {
                sum_rows!(
                    1,
                    [rows, cols],
                    |row, col, lanes, sum| [sum[0].add(term::<V>(at(row, col), lanes))],
                    |[sum]| store(sum, to.add(col), lanes),
                );
                if let Some(total) = total {
                    let [sum] = sum_along!(1, cols, |col, lanes, sum| {
                        [sum[0].add(load(to.add(col), lanes))]
                    });
                    *total = sum.sum();
                }
            }
        }
    }
    let size = [input.rows(), input.cols()];
    assert_eq!([output_grad.rows(), output_grad.cols()], size, "input, gradient of the output");
    check(gradient, input.cols());
    if gradient.len() == size[1] {
        return dispatch(SlopeGrad { input, output_grad, sums: gradient, total: None });
    }
    let total = Some(&mut gradient[0]);
    with_scratch(size[1], |sums| dispatch(SlopeGrad { input, output_grad, sums, total }));
}
