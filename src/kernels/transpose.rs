//! Transposition of blocks.

use super::vector::{Kernel, Vector, dispatch};
use super::{MatrixMut, MatrixRef};

/// Writes the transposed of a matrix: m x n becomes n x m.
///
/// # Panics
/// If the sizes do not fit.
pub(crate) fn transpose_matrix(from: MatrixRef<'_>, mut to: MatrixMut<'_>) {
    assert_eq!((from.cols(), from.rows()), (to.rows(), to.cols()), "rows and columns");
    let (stride, to_stride) = (from.stride(), to.stride());
    // SAFETY: all rows of both views can be read and written, and have the columns asserted.
    unsafe {
        let to = to.as_mut_ptr();
        transpose(from.as_ptr(), stride, from.rows(), from.cols(), to, to_stride);
    }
}

/// Writes columns `0..cols` of `rows` rows that start at `from`, `stride` floats apart, as rows
/// that are `to_stride` floats apart: `to[col * to_stride + row] = from[row * stride + col]`.
///
/// # Safety
/// The floats named must be readable and writable, respectively.
pub(super) unsafe fn transpose(
    from: *const f32,
    stride: usize,
    rows: usize,
    cols: usize,
    to: *mut f32,
    to_stride: usize,
) {
    dispatch(Transpose { from, stride, rows, cols, to, to_stride });
}

struct Transpose {
    from: *const f32,
    stride: usize,
    rows: usize,
    cols: usize,
    to: *mut f32,
    to_stride: usize,
}

impl Kernel for Transpose {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { from, stride, rows, cols, to, to_stride } = self;
        let one_by_one = |rows: std::ops::Range<usize>, cols: std::ops::Range<usize>| {
            for col in cols {
                for row in rows.clone() {
                    // SAFETY: the constructor vouches for all rows and columns.
                    unsafe { *to.add(col * to_stride + row) = *from.add(row * stride + col) };
                }
            }
        };
        let (whole_rows, whole_cols) = (rows - rows % V::LANES, cols - cols % 4);
        for row in (0..whole_rows).step_by(V::LANES) {
            for col in (0..whole_cols).step_by(4) {
                // SAFETY: as above, and the caller vouches for the instructions.
                unsafe {
                    let from = from.add(row * stride + col);
                    let quads = std::array::from_fn(|quad| {
                        V::load_quads(from.add(quad * stride), 4 * stride)
                    });
                    for (quad, vector) in V::transpose_quads(quads).into_iter().enumerate() {
                        vector.store(to.add((col + quad) * to_stride + row));
                    }
                }
            }
        }
        one_by_one(0..whole_rows, whole_cols..cols);
        one_by_one(whole_rows..rows, 0..cols);
    }
}
