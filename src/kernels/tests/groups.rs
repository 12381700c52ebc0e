//! Rows that are worked on together give the bits that each gives alone.

use super::super::{
    MatrixMut, MatrixRef, layer_norm, layer_norm_grad, softmax, softmax_cross_entropy_grad,
    softmax_grad,
};
use super::{Wide, bits, each_set, random};

/// Lengths around those of vectors and tiles, and around the longest rows that are worked on together.
const LENGTHS: [usize; 14] = [0, 1, 2, 7, 15, 17, 31, 33, 64, 127, 257, 511, 513, 1025];

/// Asserts that `work` on two matrices gives the same bits to all rows at once, and to each of them alone.
fn check(what: &str, work: impl Fn(MatrixRef<'_>, MatrixRef<'_>, MatrixMut<'_>)) {
    each_set(|| {
        for (rows, cols) in
            [0, 1, 3, 4, 5, 11].into_iter().flat_map(|rows| LENGTHS.map(|cols| (rows, cols)))
        {
            let (x, y) = (Wide::random(rows, cols, 3, 1), Wide::random(rows, cols, 0, 2));
            let mut together = Wide::output(rows, cols, 1);
            work(x.view(), y.view(), together.view_mut());
            let mut alone = Wide::output(rows, cols, 2);
            for row in 0..rows {
                let at = row..row + 1;
                let to = alone.view_mut().slice_rows(at.clone());
                work(x.view().slice_rows(at.clone()), y.view().slice_rows(at), to);
            }
            let (together, alone) = (bits(&together.numbers()), bits(&alone.numbers()));
            assert_eq!(together, alone, "{what}: {rows} rows of {cols}");
        }
    });
}

#[test]
fn rows_have_the_same_bits_together_and_alone() {
    check("layer_norm", |x, _, output| {
        let [weight, bias] = [3, 4].map(|seed| random(x.cols(), seed));
        layer_norm(1e-3, x, &weight, &bias, output);
    });
    check("layer_norm_grad", |x, grads, gradient| {
        layer_norm_grad(1e-3, x, &random(x.cols(), 3), grads, gradient);
    });
    check("softmax", |x, _, output| softmax(Some(x), output));
    check("softmax_grad", |y, grads, gradient| softmax_grad(y, Some(grads), gradient));
    check("softmax_cross_entropy_grad", |x, _, gradient| {
        if x.cols() > 0 {
            softmax_cross_entropy_grad(x, &vec![0.0; x.rows()], 0.3, gradient);
        }
    });
}

#[test]
fn the_gradient_of_softmax_may_replace_that_of_its_output() {
    each_set(|| {
        for cols in LENGTHS {
            let (y, grads) = (Wide::random(9, cols, 2, 1), Wide::random(9, cols, 1, 2));
            let mut gradient = Wide::output(9, cols, 3);
            softmax_grad(y.view(), Some(grads.view()), gradient.view_mut());
            let mut in_place = grads.clone();
            softmax_grad(y.view(), None, in_place.view_mut());
            assert_eq!(bits(&in_place.numbers()), bits(&gradient.numbers()), "{cols} classes");
        }
    });
}
