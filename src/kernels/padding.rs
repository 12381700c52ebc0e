//! Rows made longer with zeros.

use super::MatrixRef;
use super::vector::{Kernel, Vector, dispatch};

/// Copies `matrix` as rows of `width` floats, a multiple of 16, with zeros after its columns.
///
/// # Panics
/// If the rows are longer than that, or do not fit into `padded`.
pub(super) fn pad_rows<'a>(
    matrix: MatrixRef<'_>,
    width: usize,
    padded: &'a mut [f32],
) -> MatrixRef<'a> {
    struct Pad<'a>(MatrixRef<'a>, usize, *mut f32);
    impl Kernel for Pad<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self(matrix, width, padded) = self;
            for row in 0..matrix.rows() {
                let from = matrix.as_ptr().wrapping_add(row * matrix.stride());
                let to = padded.wrapping_add(row * width);
                for at in (0..width).step_by(V::LANES) {
                    let lanes = matrix.cols().saturating_sub(at).min(V::LANES);
                    // SAFETY: `lanes` floats are left in the row, and `padded` holds all rows of
                    // `width` floats, a multiple of the lanes of any vector.
                    unsafe {
                        V::load_part(from.wrapping_add(at), lanes).store(to.wrapping_add(at));
                    }
                }
            }
        }
    }
    assert!(width.is_multiple_of(16) && matrix.cols() <= width, "{} columns", matrix.cols());
    assert!(padded.len() >= matrix.rows() * width, "floats for padded rows");
    dispatch(Pad(matrix, width, padded.as_mut_ptr()));
    MatrixRef::dense(padded, matrix.rows(), width)
}
