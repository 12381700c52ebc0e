//! Softmax and its cross-entropy, numerically stable.

use super::cascade::sum_row;
use super::exponential::exp;
use super::vector::{Kernel, Vector, dispatch, load, store};
use super::{MatrixMut, MatrixRef};

/// Exponentials of each row's numbers over their sum. Without an input, the output is changed in
/// place.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn softmax(input: Option<MatrixRef<'_>>, mut output: MatrixMut<'_>) {
    struct Softmax<'a>(MatrixMut<'a>);
    impl Kernel for Softmax<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self(mut output) = self;
            for row in 0..output.rows() {
                let numbers = output.row_mut(row);
                // SAFETY: only the row's floats are touched.
                unsafe {
                    let (largest, sum) = largest_and_sum::<V>(numbers);
                    let (largest, sum) = (V::splat(largest), V::splat(sum));
                    for at in (0..numbers.len()).step_by(V::LANES) {
                        let lanes = V::LANES.min(numbers.len() - at);
                        let place = numbers.as_mut_ptr().add(at);
                        let share = exp(load::<V>(place, lanes).sub(largest)).div(sum);
                        store(share, place, lanes);
                    }
                }
            }
        }
    }
    if let Some(input) = input {
        super::copy(input, output.reborrow());
    }
    dispatch(Softmax(output));
}

/// The gradient of [`softmax`]'s input, from its output `y` and the gradient `g` of that:
/// `y * (g - sum(g * y))`, row by row. Without an output gradient, `gradient` holds it and is changed
/// in place.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn softmax_grad(
    output: MatrixRef<'_>,
    output_grad: Option<MatrixRef<'_>>,
    mut gradient: MatrixMut<'_>,
) {
    struct Grad<'a>(MatrixRef<'a>, MatrixMut<'a>);
    impl Kernel for Grad<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self(output, mut gradient) = self;
            for row in 0..gradient.rows() {
                let (y, to) = (output.row(row), gradient.row_mut(row));
                // SAFETY: both rows have as many floats, and only those are touched.
                unsafe {
                    let [sum] = sum_row!(1, to.len(), |at, lanes| {
                        let grad: V = load(to.as_ptr().add(at), lanes);
                        [grad.mul(load(y.as_ptr().add(at), lanes))]
                    });
                    let sum = V::splat(sum);
                    for at in (0..to.len()).step_by(V::LANES) {
                        let lanes = V::LANES.min(to.len() - at);
                        let place = to.as_mut_ptr().add(at);
                        let rest = load::<V>(place, lanes).sub(sum);
                        store(rest.mul(load(y.as_ptr().add(at), lanes)), place, lanes);
                    }
                }
            }
        }
    }
    let size = [gradient.rows(), gradient.cols()];
    assert_eq!([output.rows(), output.cols()], size, "output, gradient");
    if let Some(output_grad) = output_grad {
        super::copy(output_grad, gradient.reborrow());
    }
    dispatch(Grad(output, gradient));
}

/// The loss of each row of logits, overwriting `losses`: the negative logarithm of the softmax of
/// the logit that `labels` names, one class index per row.
///
/// # Panics
/// If the lengths differ, or if a label names no class.
pub(crate) fn softmax_cross_entropy(logits: MatrixRef<'_>, labels: &[f32], losses: &mut [f32]) {
    struct Loss<'a>(MatrixRef<'a>, &'a [f32], &'a mut [f32]);
    impl Kernel for Loss<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self(logits, labels, losses) = self;
            for (row, (&label, loss)) in labels.iter().zip(losses).enumerate() {
                let logits = logits.row(row);
                // SAFETY: as the caller states.
                let (largest, sum) = unsafe { largest_and_sum::<V>(logits) };
                // The sum is at least 1, the exponential of the largest logit minus itself.
                *loss = sum.ln() - (logits[label as usize] - largest);
            }
        }
    }
    assert_eq!(losses.len(), logits.rows(), "losses, rows of the logits");
    check_labels(logits, labels);
    dispatch(Loss(logits, labels, losses));
}

/// The gradient of the logits, overwriting `gradient`: `(softmax - onehot) * scale`.
///
/// # Panics
/// If the sizes differ, or if a label names no class.
pub(crate) fn softmax_cross_entropy_grad(
    logits: MatrixRef<'_>,
    labels: &[f32],
    scale: f32,
    gradient: MatrixMut<'_>,
) {
    struct Grad<'a>(MatrixRef<'a>, &'a [f32], f32, MatrixMut<'a>);
    impl Kernel for Grad<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self(logits, labels, scale, mut gradient) = self;
            for (row, &label) in labels.iter().enumerate() {
                let (logits, to) = (logits.row(row), gradient.row_mut(row));
                // SAFETY: as the caller states; both rows have the same length.
                unsafe {
                    let (largest, sum) = largest_and_sum::<V>(logits);
                    let (largest, factor) = (V::splat(largest), V::splat(scale / sum));
                    for at in (0..logits.len()).step_by(V::LANES) {
                        let lanes = V::LANES.min(logits.len() - at);
                        let above = V::load_part(logits.as_ptr().add(at), lanes).sub(largest);
                        exp(above).mul(factor).store_part(to.as_mut_ptr().add(at), lanes);
                    }
                }
                to[label as usize] -= scale;
            }
        }
    }
    let [rows, classes] = [logits.rows(), logits.cols()];
    assert_eq!([gradient.rows(), gradient.cols()], [rows, classes], "gradient, logits");
    check_labels(logits, labels);
    dispatch(Grad(logits, labels, scale, gradient));
}

/// The loss of each row of logits against a row of shares, overwriting `losses`: the sum of
/// `share * -log(softmax(logit))`.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn soft_cross_entropy(logits: MatrixRef<'_>, shares: MatrixRef<'_>, losses: &mut [f32]) {
    struct Loss<'a>(MatrixRef<'a>, MatrixRef<'a>, &'a mut [f32]);
    impl Kernel for Loss<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self(logits, shares, losses) = self;
            for (row, loss) in losses.iter_mut().enumerate() {
                let logits = logits.row(row);
                // SAFETY: as the caller states.
                let (largest, sum) = unsafe { largest_and_sum::<V>(logits) };
                let above = f64::from(sum.ln());
                // A class without a share does not count, not even one with an infinite logit.
                let pairs = logits.iter().zip(shares.row(row)).filter(|(_, share)| **share != 0.0);
                let terms = pairs.map(|(logit, share)| {
                    f64::from(*share) * (above - (f64::from(*logit) - f64::from(largest)))
                });
                *loss = terms.sum::<f64>() as f32;
            }
        }
    }
    assert_eq!(losses.len(), logits.rows(), "losses, rows of the logits");
    assert_eq!([shares.rows(), shares.cols()], [logits.rows(), logits.cols()], "shares, logits");
    dispatch(Loss(logits, shares, losses));
}

/// The gradient of the logits, overwriting `gradient`: `(softmax * sum(shares) - shares) * scale`.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn soft_cross_entropy_grad(
    logits: MatrixRef<'_>,
    shares: MatrixRef<'_>,
    scale: f32,
    gradient: MatrixMut<'_>,
) {
    struct Grad<'a>(MatrixRef<'a>, MatrixRef<'a>, f32, MatrixMut<'a>);
    impl Kernel for Grad<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Self(logits, shares, scale, mut gradient) = self;
            for row in 0..logits.rows() {
                let (logits, shares, to) =
                    (logits.row(row), shares.row(row), gradient.row_mut(row));
                let total = shares.iter().map(|&share| f64::from(share)).sum::<f64>() as f32;
                // SAFETY: as the caller states; all three rows have the same length.
                unsafe {
                    let (largest, sum) = largest_and_sum::<V>(logits);
                    let (largest, factor) = (V::splat(largest), V::splat(total * scale / sum));
                    let scale = V::splat(scale);
                    for at in (0..logits.len()).step_by(V::LANES) {
                        let lanes = V::LANES.min(logits.len() - at);
                        let above = V::load_part(logits.as_ptr().add(at), lanes).sub(largest);
                        let share = V::load_part(shares.as_ptr().add(at), lanes);
                        let grad = exp(above).mul(factor).sub(share.mul(scale));
                        grad.store_part(to.as_mut_ptr().add(at), lanes);
                    }
                }
            }
        }
    }
    let size = [logits.rows(), logits.cols()];
    assert_eq!([gradient.rows(), gradient.cols()], size, "gradient, logits");
    assert_eq!([shares.rows(), shares.cols()], size, "shares, logits");
    dispatch(Grad(logits, shares, scale, gradient));
}

fn check_labels(logits: MatrixRef<'_>, labels: &[f32]) {
    assert_eq!(labels.len(), logits.rows(), "labels, rows of the logits");
    let classes = logits.cols();
    for &label in labels {
        assert!((label as usize) < classes, "label {label} of {classes} classes");
    }
}

/// The largest number, and the sum of the exponentials of what all are above it.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
unsafe fn largest_and_sum<V: Vector>(numbers: &[f32]) -> (f32, f32) {
    // SAFETY: only the numbers are loaded.
    unsafe {
        let nothing = V::splat(f32::NEG_INFINITY);
        let from = numbers.as_ptr();
        let mut largest = nothing;
        for at in (0..numbers.len()).step_by(V::LANES) {
            let lanes = V::LANES.min(numbers.len() - at);
            largest = largest.max(V::load_part_or(from.add(at), lanes, nothing));
        }
        let largest = largest.largest();
        let [sum] = sum_row!(1, numbers.len(), |at, lanes| {
            [exp(V::load_part_or(from.add(at), lanes, nothing).sub(V::splat(largest)))]
        });
        (largest, sum)
    }
}
