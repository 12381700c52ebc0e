//! Cross-entropy of softmax, in one pass and numerically stable.

use super::exponential::exp;
use super::vector::{Kernel, Vector, dispatch};
use super::{MatrixMut, MatrixRef, with_scratch};

/// The most lanes a vector has: rows are padded to a multiple.
const LANES: usize = 16;

/// The loss of each row of logits, overwriting `losses`: the negative logarithm of the softmax of
/// the logit that `labels` names, one class index per row.
///
/// # Panics
/// If the lengths differ, or if a label names no class.
pub fn softmax_cross_entropy(logits: MatrixRef<'_>, labels: &[f32], losses: &mut [f32]) {
    assert_eq!(losses.len(), logits.rows(), "losses, rows of the logits");
    each_row(logits, labels, |row, numbers, largest, label| {
        let logit = numbers[label];
        // The sum is at least 1, the exponential of the largest logit minus itself.
        losses[row] = exponentials(numbers, largest).ln() - (logit - largest);
    });
}

/// The gradient of the logits, overwriting `gradient`: `(softmax - onehot) * scale`.
///
/// # Panics
/// If the sizes differ, or if a label names no class.
pub fn softmax_cross_entropy_grad(
    logits: MatrixRef<'_>,
    labels: &[f32],
    scale: f32,
    mut gradient: MatrixMut<'_>,
) {
    let [rows, classes] = [logits.rows(), logits.cols()];
    assert_eq!([gradient.rows(), gradient.cols()], [rows, classes], "gradient, logits");
    each_row(logits, labels, |row, numbers, largest, label| {
        let factor = scale / exponentials(numbers, largest);
        let to = gradient.row_mut(row);
        for (to, exponential) in to.iter_mut().zip(&*numbers) {
            *to = exponential * factor;
        }
        to[label] -= scale;
    });
}

/// Visits each row with its number, its logits padded with negative infinity, the largest of these,
/// and its label.
fn each_row(
    logits: MatrixRef<'_>,
    labels: &[f32],
    mut visit: impl FnMut(usize, &mut [f32], f32, usize),
) {
    assert_eq!(labels.len(), logits.rows(), "labels, rows of the logits");
    let classes = logits.cols();
    with_scratch(classes.next_multiple_of(LANES), |numbers| {
        for (row, &label) in labels.iter().enumerate() {
            let label = label as usize;
            assert!(label < classes, "label {label} of {classes} classes");
            let (filled, padding) = numbers.split_at_mut(classes);
            filled.copy_from_slice(logits.row(row));
            padding.fill(f32::NEG_INFINITY);
            let largest = filled.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            visit(row, numbers, largest, label);
        }
    });
}

/// Replaces the numbers, a multiple of [`LANES`], by the exponentials of what they are above
/// `largest`, and returns the sum of these.
fn exponentials(numbers: &mut [f32], largest: f32) -> f32 {
    struct Exponentials<'a> {
        numbers: &'a mut [f32],
        largest: f32,
        sums: &'a mut [f32; LANES],
    }
    impl Kernel for Exponentials<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            for numbers in self.numbers.chunks_exact_mut(V::LANES) {
                // SAFETY: `numbers` holds as many floats as a vector, `sums` at least as many.
                unsafe {
                    let at = numbers.as_mut_ptr();
                    let above = V::load(at).sub(V::splat(self.largest));
                    let exponential = exp(above);
                    exponential.store(at);
                    let sums = self.sums.as_mut_ptr();
                    V::load(sums).add(exponential).store(sums);
                }
            }
        }
    }
    let mut sums = [0.0; LANES];
    dispatch(Exponentials { numbers, largest, sums: &mut sums });
    sums.iter().sum()
}
