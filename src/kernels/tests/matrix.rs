use ndarray::{Array2, s};

use super::{Wide, random};
use crate::kernels::{MatrixMut, MatrixRef};

#[test]
fn views_are_the_rows_and_columns_of_the_matrix() {
    for (rows, cols, gap) in [(3, 5, 0), (4, 3, 2), (1, 4, 3), (5, 1, 1), (0, 3, 1), (3, 0, 0)] {
        let numbers = random(rows * cols, 7);
        let expected = Array2::from_shape_vec((rows, cols), numbers.clone()).unwrap();
        let mut wide = Wide::new(&numbers, rows, cols, gap);
        assert_eq!(wide.view().view(), expected);
        let (half, more) = (rows / 2, cols / 2);
        let corner = wide.view().slice_rows(half..rows).slice_cols(0..more);
        assert_eq!(corner.view(), expected.slice(s![half.., ..more]));
        wide.view_mut().view_mut().mapv_inplace(|number| 2.0 * number);
        assert_eq!(wide.numbers(), numbers.iter().map(|number| 2.0 * number).collect::<Vec<_>>());
    }
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_behind_the_last_row() {
    let mut numbers = [1.0; 25];
    for (rows, cols, stride) in [(3, 6, 10), (2, 5, 4), (usize::MAX, 2, usize::MAX), (6, 5, 5)] {
        let refused = std::panic::catch_unwind(|| MatrixRef::new(&numbers, rows, cols, stride));
        assert!(refused.is_err(), "{rows} x {cols} by {stride}");
    }
    let last = MatrixRef::new(&numbers, 3, 5, 10);
    assert_eq!(last.row(2), [1.0; 5]);
    assert_eq!(last.slice_rows(3..3).view().dim(), (0, 5));
    assert_eq!(last.slice_cols(5..5).view().dim(), (3, 0));
    let narrow = MatrixMut::new(&mut numbers, usize::MAX, 0, usize::MAX);
    assert!(narrow.slice_rows(usize::MAX - 2..usize::MAX).row_mut(1).is_empty());
}
