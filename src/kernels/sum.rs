//! Sums of matrices.

use super::cascade::sum_rows;
use super::vector::{Kernel, Vector, dispatch, load, store};
use super::{MatrixMut, MatrixRef, with_scratch};

/// Matrices that are added in one pass.
const AT_ONCE: usize = 8;

/// `output = (output) + inputs[0] + inputs[1] + …`, in this order.
struct Sum<'a> {
    inputs: &'a [MatrixRef<'a>],
    output: MatrixMut<'a>,
    onto: bool,
    size: [usize; 2],
}

impl Kernel for Sum<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(mut self) {
        let [rows, cols] = self.size;
        let stride = self.output.stride();
        let output = self.output.as_mut_ptr();
        let (first, others) = if self.onto {
            (None, self.inputs)
        } else {
            (self.inputs.first(), self.inputs.get(1..).unwrap_or(&[]))
        };
        for row in 0..rows {
            let to = output.wrapping_add(row * stride);
            let start = |input: &MatrixRef<'_>| input.as_ptr().wrapping_add(row * input.stride());
            let from = first.map_or(to.cast_const(), start);
            // SAFETY: every row has `cols` floats, and only those are touched.
            unsafe {
                let mut at = 0;
                while at + V::LANES <= cols {
                    let mut sum = V::load(from.add(at));
                    for input in others {
                        sum = sum.add(V::load(start(input).add(at)));
                    }
                    sum.store(to.add(at));
                    at += V::LANES;
                }
                let rest = cols - at;
                if rest > 0 {
                    let mut sum = V::load_part(from.add(at), rest);
                    for input in others {
                        sum = sum.add(V::load_part(start(input).add(at), rest));
                    }
                    sum.store_part(to.add(at), rest);
                }
            }
        }
    }
}

/// Inputs that are added one after another.
const BLOCK: usize = 64;

/// The sum of inputs; with `onto`, added to what the output holds. [`BLOCK`] inputs are added one after another, and
/// what each such block gives to the blocks before.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn sum<'a>(
    inputs: impl IntoIterator<Item = MatrixRef<'a>>,
    onto: bool,
    mut output: MatrixMut<'_>,
) {
    let mut inputs = inputs.into_iter().peekable();
    sum_block(inputs.by_ref().take(BLOCK), onto, output.reborrow());
    if inputs.peek().is_none() {
        return;
    }
    let [rows, cols] = [output.rows(), output.cols()];
    with_scratch(rows * cols, |block| {
        while inputs.peek().is_some() {
            let to = MatrixMut::new(block, rows, cols, cols);
            sum_block(inputs.by_ref().take(BLOCK), false, to);
            sum_block([MatrixRef::dense(block, rows, cols)].into_iter(), true, output.reborrow());
        }
    });
}

/// The sum of some rows of a matrix, overwriting `sums`.
///
/// # Panics
/// If there are not as many sums as columns, or not these rows.
pub(crate) fn sum_of_rows(matrix: MatrixRef<'_>, rows: &[u32], sums: &mut [f32]) {
    struct SumOfRows<'a>(MatrixRef<'a>, &'a [u32], &'a mut [f32]);
    impl Kernel for SumOfRows<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self(matrix, rows, sums) = self;
            // SAFETY: all columns are within the rows of the matrix, and there are as many sums.
            unsafe {
                sum_rows!(
                    1,
                    [rows.len(), matrix.cols()],
                    |row, col, lanes, sum| {
                        let start = rows[row] as usize * matrix.stride();
                        [sum[0].add(load(matrix.as_ptr().add(start + col), lanes))]
                    },
                    |[sum]| store(sum, sums.as_mut_ptr().add(col), lanes),
                );
            }
        }
    }
    assert_eq!(matrix.cols(), sums.len(), "columns, sums");
    assert!(rows.iter().all(|&row| (row as usize) < matrix.rows()), "rows of the matrix");
    dispatch(SumOfRows(matrix, rows, sums));
}

/// The sum of inputs, added one after another; with `onto`, added to what the output holds.
fn sum_block<'a>(
    mut inputs: impl Iterator<Item = MatrixRef<'a>>,
    onto: bool,
    mut output: MatrixMut<'_>,
) {
    let mut onto = onto;
    let [rows, cols] = [output.rows(), output.cols()];
    let mut dense = output.stride() == cols;
    loop {
        let mut some = [MatrixRef::dense(&[], 0, 0); AT_ONCE];
        let mut count = 0;
        for (place, input) in some.iter_mut().zip(inputs.by_ref()) {
            assert!(
                input.rows() == rows && input.cols() == cols,
                "input and output differ in size"
            );
            dense &= input.stride() == cols;
            *place = input;
            count += 1;
        }
        if count == 0 {
            break;
        }
        let size = if dense { [1, rows * cols] } else { [rows, cols] };
        dispatch(Sum { inputs: &some[..count], output: output.reborrow(), onto, size });
        onto = true;
        if count < AT_ONCE {
            break;
        }
    }
}
