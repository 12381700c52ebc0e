//! The rows of several matrices as those of one.

use std::ops::Range;

use super::buffer::LINE;
use super::{MatrixMut, MatrixRef, copy, with_scratch};

/// Some columns of a matrix, named by their places in the whole.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    there: MatrixRef<'a>,
    first: usize,
    /// Columns of the whole matrix.
    pub(super) count: usize,
}

impl<'a> Columns<'a> {
    /// All of them.
    pub(super) fn all(matrix: MatrixRef<'a>) -> Self {
        Self { there: matrix, first: 0, count: matrix.cols() }
    }

    /// A view of a range of the columns, which must be there.
    pub(super) fn slice(&self, range: Range<usize>) -> MatrixRef<'a> {
        self.there.slice_cols(range.start - self.first..range.end - self.first)
    }
}

/// Runs `work` with a copy of the given columns of all matrices, which have as many columns, one matrix below the other.
pub(super) fn with_joined_rows<'a>(
    matrices: impl Iterator<Item = MatrixRef<'a>> + Clone,
    columns: Range<usize>,
    work: impl FnOnce(Columns<'_>),
) {
    let (mut rows, mut count) = (0, 0);
    for matrix in matrices.clone() {
        rows += matrix.rows();
        count = matrix.cols();
    }
    let (first, cols) = (columns.start, columns.len());
    // An odd number of cache lines, so that the rows do not compete for places in the cache.
    let stride = (cols.div_ceil(LINE) | 1) * LINE;
    with_scratch(rows * stride, |joined| {
        let mut at = 0;
        for matrix in matrices {
            let part = &mut joined[at * stride..];
            copy(
                matrix.slice_cols(columns.clone()),
                MatrixMut::new(part, matrix.rows(), cols, stride),
            );
            at += matrix.rows();
        }
        work(Columns { there: MatrixRef::new(joined, rows, cols, stride), first, count });
    });
}

/// Numbers of matrices that follow each other and have at most so many rows together, or are one matrix alone.
pub(super) fn runs_of(
    matrices: usize,
    most: usize,
    rows: impl Fn(usize) -> usize,
) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let first = start;
        let mut together = 0;
        while start < matrices && (start == first || together + rows(start) <= most) {
            together += rows(start);
            start += 1;
        }
        (first < start).then_some(first..start)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_as_long_as_their_rows_allow() {
        let rows = [200, 200, 200, 600, 1, 511, 1, 0];
        let runs: Vec<_> = runs_of(rows.len(), 512, |number| rows[number]).collect();
        assert_eq!(runs, [0..2, 2..3, 3..4, 4..6, 6..8]);
        assert_eq!(runs_of(0, 512, |_| 0).count(), 0);
    }

    #[test]
    fn joined_rows_are_those_of_all() {
        let numbers: Vec<f32> = (0..40).map(|number| number as f32).collect();
        let [one, two] =
            [(0, 2), (20, 3)].map(|(at, rows)| MatrixRef::new(&numbers[at..], rows, 5, 6));
        with_joined_rows([one, two].into_iter(), 1..4, |joined| {
            let all = joined.slice(2..4);
            let rows: Vec<&[f32]> = (0..all.rows()).map(|row| all.row(row)).collect();
            let expected = [[2.0, 3.0], [8.0, 9.0], [22.0, 23.0], [28.0, 29.0], [34.0, 35.0]];
            assert_eq!(rows, expected);
            assert_eq!(joined.count, 5);
        });
    }
}
