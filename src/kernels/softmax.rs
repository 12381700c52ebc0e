//! Softmax and its cross-entropy, numerically stable.

use super::cascade::{each_group, each_vector, lane_sums, sum_along};
use super::exponential::exp;
use super::vector::{Kernel, Vector, dispatch, load, store};
use super::{MatrixMut, MatrixRef};

/// Shares of a softmax that are no larger, 2^-80, count as 0 in gradients of cross entropies. What rounds the label's own
/// entry is 2^56 times as large; and once a network is sure of its batch, some layers of such gradients would make
/// subnormal numbers of them, by which some processors take a hundred times as long.
const LOST_SHARE: f32 = f32::from_bits((127 - 80) << 23);

/// Exponentials of each row's numbers over their sum. Without an input, the output is changed in
/// place.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn softmax(input: Option<MatrixRef<'_>>, mut output: MatrixMut<'_>) {
    struct Softmax<'a>(MatrixRef<'a>, MatrixMut<'a>);
    impl Softmax<'_> {
        #[inline(always)]
        unsafe fn rows<V: Vector, const ROWS: usize>(&mut self, first: usize) {
            let len = self.0.cols();
            let (from, to) = (self.0.starts(first), self.1.starts_mut(first));
            // SAFETY: only the rows' floats are touched.
            unsafe {
                let sums = exponentials::<V, ROWS>(from, to, len);
                for (to, [sum]) in to.into_iter().zip(sums) {
                    let sum = V::splat(sum);
                    each_vector!(len, |at, lanes| {
                        store(load::<V>(to.add(at), lanes).div(sum), to.add(at), lanes);
                    });
                }
            }
        }
    }
    impl Kernel for Softmax<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(mut self) {
            let [rows, cols] = [self.0.rows(), self.0.cols()];
            // SAFETY: as the caller states; the rows exist.
            each_group!(rows, cols, |first, ROWS| unsafe { self.rows::<V, ROWS>(first) });
        }
    }
    // SAFETY: the kernel reads a number of the output before it writes it.
    let input = unsafe { output.input_or_itself(input) };
    let size = [output.rows(), output.cols()];
    assert_eq!([input.rows(), input.cols()], size, "input, output");
    dispatch(Softmax(input, output));
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
    struct Grad<'a>(MatrixRef<'a>, MatrixRef<'a>, MatrixMut<'a>);
    impl Grad<'_> {
        #[inline(always)]
        unsafe fn rows<V: Vector, const ROWS: usize>(&mut self, first: usize) {
            let Self(output, output_grad, gradient) = self;
            let (y, grads) = (output.starts::<ROWS>(first), output_grad.starts::<ROWS>(first));
            let (to, len) = (gradient.starts_mut::<ROWS>(first), output.cols());
            // SAFETY: all rows have as many floats, and only those are touched.
            unsafe {
                let mut sums = [[V::splat(0.0)]; ROWS];
                for ((sums, y), grad) in sums.iter_mut().zip(y).zip(grads) {
                    *sums = sum_along!(1, len, |at, lanes, sum| {
                        [load::<V>(grad.add(at), lanes).mul_add(load(y.add(at), lanes), sum[0])]
                    });
                }
                for (row, [sum]) in lane_sums(sums).into_iter().enumerate() {
                    let (y, grad, to, sum) = (y[row], grads[row], to[row], V::splat(sum));
                    each_vector!(len, |at, lanes| {
                        let rest = load::<V>(grad.add(at), lanes).sub(sum);
                        store(rest.mul(load(y.add(at), lanes)), to.add(at), lanes);
                    });
                }
            }
        }
    }
    impl Kernel for Grad<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(mut self) {
            let [rows, cols] = [self.0.rows(), self.0.cols()];
            // SAFETY: as the caller states; the rows exist.
            each_group!(rows, cols, |first, ROWS| unsafe { self.rows::<V, ROWS>(first) });
        }
    }
    // SAFETY: the kernel reads a number of the gradient before it writes it.
    let output_grad = unsafe { gradient.input_or_itself(output_grad) };
    let size = [gradient.rows(), gradient.cols()];
    assert_eq!([output.rows(), output.cols()], size, "output, gradient");
    assert_eq!([output_grad.rows(), output_grad.cols()], size, "gradients of output and input");
    dispatch(Grad(output, output_grad, gradient));
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

/// The gradient of the logits, overwriting `gradient`: `(softmax - onehot) * scale`, shares up to [`LOST_SHARE`] as 0.
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
                let (len, place) = (to.len(), to.as_mut_ptr());
                // SAFETY: as the caller states; both rows have the same length.
                unsafe {
                    let [[sum]] = exponentials::<V, 1>([logits.as_ptr()], [place], len);
                    let factor = V::splat(scale / sum);
                    each_vector!(len, |at, lanes| {
                        let to = place.add(at);
                        let share = unless_lost(load::<V>(to, lanes), sum);
                        store(share.mul(factor), to, lanes);
                    });
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

/// The gradient of the logits, overwriting `gradient`: `(softmax * sum(shares) - shares) * scale`, shares of the softmax up
/// to [`LOST_SHARE`] as 0.
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
                let (len, to) = (to.len(), to.as_mut_ptr());
                // SAFETY: as the caller states; all three rows have the same length.
                unsafe {
                    let [[sum]] = exponentials::<V, 1>([logits.as_ptr()], [to], len);
                    let (factor, scale) = (V::splat(total * scale / sum), V::splat(scale));
                    each_vector!(len, |at, lanes| {
                        let share: V = load(shares.as_ptr().add(at), lanes);
                        let number = unless_lost(load::<V>(to.add(at), lanes), sum).mul(factor);
                        store(number.sub(share.mul(scale)), to.add(at), lanes);
                    });
                }
            }
        }
    }
    let size = [logits.rows(), logits.cols()];
    assert_eq!([gradient.rows(), gradient.cols()], size, "gradient, logits");
    assert_eq!([shares.rows(), shares.cols()], size, "shares, logits");
    dispatch(Grad(logits, shares, scale, gradient));
}

/// Numbers of a row with this sum, but 0 for those whose share of it is lost.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
unsafe fn unless_lost<V: Vector>(numbers: V, sum: f32) -> V {
    // SAFETY: as the caller states.
    unsafe { numbers.select_le(V::splat(LOST_SHARE * sum), V::splat(0.0), numbers) }
}

fn check_labels(logits: MatrixRef<'_>, labels: &[f32]) {
    assert_eq!(labels.len(), logits.rows(), "labels, rows of the logits");
    let classes = logits.cols();
    for &label in labels {
        assert!((label as usize) < classes, "label {label} of {classes} classes");
    }
}

/// The largest number of a row.
///
/// # Safety
/// The machine must have the instructions of `V`, and so many numbers must be readable.
#[inline(always)]
unsafe fn largest<V: Vector>(numbers: *const f32, len: usize) -> f32 {
    // SAFETY: as the caller states.
    unsafe {
        let nothing = V::splat(f32::NEG_INFINITY);
        let mut largest = nothing;
        each_vector!(len, |at, lanes| {
            largest = largest.max(V::load_part_or(numbers.add(at), lanes, nothing));
        });
        largest.largest()
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
        let (from, nothing) = (numbers.as_ptr(), V::splat(f32::NEG_INFINITY));
        let largest = largest::<V>(from, numbers.len());
        let [sum] = sum_along!(1, numbers.len(), |at, lanes, sum| {
            let number = V::load_part_or(from.add(at), lanes, nothing);
            [sum[0].add(exp(number.sub(V::splat(largest))))]
        });
        (largest, sum.sum())
    }
}

/// Writes the exponentials of what numbers of rows are above the largest of their row, and gives their sums.
///
/// # Safety
/// The machine must have the instructions of `V`, and so many numbers must be readable, and writable.
#[inline(always)]
unsafe fn exponentials<V: Vector, const ROWS: usize>(
    from: [*const f32; ROWS],
    to: [*mut f32; ROWS],
    len: usize,
) -> [[f32; 1]; ROWS] {
    // SAFETY: as the caller states.
    unsafe {
        let nothing = V::splat(f32::NEG_INFINITY);
        let mut sums = [[V::splat(0.0)]; ROWS];
        for ((sums, from), to) in sums.iter_mut().zip(from).zip(to) {
            let largest = V::splat(largest::<V>(from, len));
            *sums = sum_along!(1, len, |at, lanes, sum| {
                let above = V::load_part_or(from.add(at), lanes, nothing).sub(largest);
                let share = exp(above);
                store(share, to.add(at), lanes);
                [sum[0].add(share)]
            });
        }
        lane_sums(sums)
    }
}
