//! Copies between matrices of the same numbers with other axes.

use super::{MatrixMut, MatrixRef};

/// Copies the numbers of `input`, in row-major order, into `output`, which has as many numbers but
/// may have other rows and columns.
///
/// # Panics
/// If the counts differ.
pub(crate) fn copy_reshaped(input: MatrixRef<'_>, mut output: MatrixMut<'_>) {
    let (from, to) = (input.cols(), output.cols());
    assert_eq!(input.rows() * from, output.rows() * to, "counts of numbers differ");
    let mut at = 0;
    while at < input.rows() * from {
        let (row, column) = (at / to, at % to);
        let source = &input.row(at / from)[at % from..];
        let count = source.len().min(to - column);
        output.row_mut(row)[column..column + count].copy_from_slice(&source[..count]);
        at += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_order() {
        let input: Vec<f32> = (0..24).map(|number| number as f32).collect();
        for (rows, cols) in [(1, 24), (24, 1), (4, 6), (6, 4), (3, 8)] {
            let mut output = vec![0.0; rows * (cols + 2)];
            let view = MatrixMut::new(&mut output, rows, cols, cols + 2);
            copy_reshaped(MatrixRef::dense(&input, 4, 6), view);
            let view = MatrixRef::new(&output, rows, cols, cols + 2);
            let copied: Vec<f32> = (0..rows).flat_map(|row| view.row(row).to_vec()).collect();
            assert_eq!(copied, input, "{rows} x {cols}");
        }
    }
}
