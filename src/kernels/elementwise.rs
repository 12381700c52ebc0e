//! Functions of single numbers: activations and their gradients, sums, copies.

use super::exponential;
use super::vector::{Kernel, Vector, dispatch};
use super::{MatrixMut, MatrixRef};

/// A function of one number, on vectors.
pub(super) trait Unary: Copy {
    /// # Safety
    /// The machine must have the instructions of `V`.
    unsafe fn apply<V: Vector>(self, x: V) -> V;
}

/// A function of two numbers, on vectors.
pub(super) trait Binary: Copy {
    /// # Safety
    /// The machine must have the instructions of `V`.
    unsafe fn apply<V: Vector>(self, x: V, y: V) -> V;
}

/// Where equally long rows start.
#[derive(Clone, Copy)]
struct Rows<P> {
    start: P,
    stride: usize,
}

/// `output = function(input)`, row by row.
struct Map<F> {
    function: F,
    input: Rows<*const f32>,
    output: Rows<*mut f32>,
    size: [usize; 2],
}

/// `output = function(first, second)`, row by row.
struct Zip<F> {
    function: F,
    first: Rows<*const f32>,
    second: Rows<*const f32>,
    output: Rows<*mut f32>,
    size: [usize; 2],
}

impl<F: Unary> Kernel for Map<F> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let [rows, cols] = self.size;
        for row in 0..rows {
            let from = self.input.start.wrapping_add(row * self.input.stride);
            let to = self.output.start.wrapping_add(row * self.output.stride);
            // SAFETY: both rows have `cols` floats, and only those are touched.
            unsafe {
                let mut at = 0;
                while at + V::LANES <= cols {
                    self.function.apply(V::load(from.add(at))).store(to.add(at));
                    at += V::LANES;
                }
                if at < cols {
                    let x = V::load_part(from.add(at), cols - at);
                    self.function.apply(x).store_part(to.add(at), cols - at);
                }
            }
        }
    }
}

impl<F: Binary> Kernel for Zip<F> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let [rows, cols] = self.size;
        for row in 0..rows {
            let x = self.first.start.wrapping_add(row * self.first.stride);
            let y = self.second.start.wrapping_add(row * self.second.stride);
            let to = self.output.start.wrapping_add(row * self.output.stride);
            // SAFETY: all three rows have `cols` floats, and only those are touched.
            unsafe {
                let mut at = 0;
                while at + V::LANES <= cols {
                    let result = self.function.apply(V::load(x.add(at)), V::load(y.add(at)));
                    result.store(to.add(at));
                    at += V::LANES;
                }
                let rest = cols - at;
                if rest > 0 {
                    let x = V::load_part(x.add(at), rest);
                    let y = V::load_part(y.add(at), rest);
                    self.function.apply(x, y).store_part(to.add(at), rest);
                }
            }
        }
    }
}

/// The output's rows, and those of the inputs, where an input that is not given is the output
/// itself. Rows that touch everywhere become a single one.
fn rows<const N: usize>(
    inputs: [Option<MatrixRef<'_>>; N],
    mut output: MatrixMut<'_>,
) -> ([Rows<*const f32>; N], Rows<*mut f32>, [usize; 2]) {
    let [rows, cols] = [output.rows(), output.cols()];
    let mut dense = output.stride() == cols;
    for input in inputs.iter().flatten() {
        assert!(input.rows() == rows && input.cols() == cols, "input and output differ in size");
        dense &= input.stride() == cols;
    }
    let (start, stride) = (output.as_mut_ptr(), output.stride());
    let itself = Rows { start: start.cast_const(), stride };
    let start_of = |input: MatrixRef<'_>| Rows { start: input.as_ptr(), stride: input.stride() };
    let inputs = inputs.map(|input| input.map_or(itself, start_of));
    (inputs, Rows { start, stride }, if dense { [1, rows * cols] } else { [rows, cols] })
}

/// `output = function(input)`; without an input, the output is changed in place.
pub(super) fn map(function: impl Unary, input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
    let ([input], output, size) = rows([input], output);
    dispatch(Map { function, input, output, size });
}

/// `output = function(first, second)`, where an input that is not given is the output itself.
pub(super) fn zip(
    function: impl Binary,
    first: Option<MatrixRef<'_>>,
    second: Option<MatrixRef<'_>>,
    output: MatrixMut<'_>,
) {
    let ([first, second], output, size) = rows([first, second], output);
    dispatch(Zip { function, first, second, output, size });
}

/// The larger of zero and the input, NaN for NaN. Without an input, the output is changed in place.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn relu(input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
    #[derive(Clone, Copy)]
    struct Relu;
    impl Unary for Relu {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, x: V) -> V {
            // SAFETY: as the caller states.
            unsafe { V::splat(0.0).max(x) }
        }
    }
    map(Relu, input, output);
}

/// The gradient of [`relu`]'s input: the output's gradient where the output is positive (or NaN),
/// else 0. Without an output gradient, `gradient` holds it and is changed in place.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn relu_grad(
    output: MatrixRef<'_>,
    output_grad: Option<MatrixRef<'_>>,
    gradient: MatrixMut<'_>,
) {
    #[derive(Clone, Copy)]
    struct ReluGrad;
    impl Binary for ReluGrad {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, output: V, grad: V) -> V {
            // SAFETY: as the caller states.
            let zero = unsafe { V::splat(0.0) };
            output.select_le(zero, zero, grad)
        }
    }
    zip(ReluGrad, Some(output), output_grad, gradient);
}

/// The logistic function `1 / (1 + e^-x)`. Without an input, the output is changed in place.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn sigmoid(input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
    #[derive(Clone, Copy)]
    struct Sigmoid;
    impl Unary for Sigmoid {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, x: V) -> V {
            // SAFETY: as the caller states.
            unsafe { exponential::sigmoid(x) }
        }
    }
    map(Sigmoid, input, output);
}

/// The gradient of [`sigmoid`]'s input, from its output. Without an output gradient, `gradient`
/// holds it and is changed in place.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn sigmoid_grad(
    output: MatrixRef<'_>,
    output_grad: Option<MatrixRef<'_>>,
    gradient: MatrixMut<'_>,
) {
    #[derive(Clone, Copy)]
    struct SigmoidGrad;
    impl Binary for SigmoidGrad {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, output: V, grad: V) -> V {
            // SAFETY: as the caller states.
            let one = unsafe { V::splat(1.0) };
            grad.mul(output.mul(one.sub(output)))
        }
    }
    zip(SigmoidGrad, Some(output), output_grad, gradient);
}

/// The hyperbolic tangent. Without an input, the output is changed in place.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn tanh(input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
    #[derive(Clone, Copy)]
    struct Tanh;
    impl Unary for Tanh {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, x: V) -> V {
            // SAFETY: as the caller states.
            unsafe { exponential::tanh(x) }
        }
    }
    map(Tanh, input, output);
}

/// The gradient of [`tanh`]'s input, from its output. Without an output gradient, `gradient` holds
/// it and is changed in place.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn tanh_grad(
    output: MatrixRef<'_>,
    output_grad: Option<MatrixRef<'_>>,
    gradient: MatrixMut<'_>,
) {
    #[derive(Clone, Copy)]
    struct TanhGrad;
    impl Binary for TanhGrad {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, output: V, grad: V) -> V {
            // SAFETY: as the caller states.
            let one = unsafe { V::splat(1.0) };
            grad.mul(one.sub(output.mul(output)))
        }
    }
    zip(TanhGrad, Some(output), output_grad, gradient);
}

/// Copies the input.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn copy(input: MatrixRef<'_>, mut output: MatrixMut<'_>) {
    let [rows, cols] = [output.rows(), output.cols()];
    assert!(input.rows() == rows && input.cols() == cols, "input and output differ in size");
    if let (Some(input), Some(output)) = (input.contiguous(), output.contiguous_mut()) {
        return output.copy_from_slice(input);
    }
    for row in 0..rows {
        output.row_mut(row).copy_from_slice(input.row(row));
    }
}

/// The input times a factor. Without an input, the output is changed in place.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn scale(factor: f32, input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
    #[derive(Clone, Copy)]
    struct Scale(f32);
    impl Unary for Scale {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, x: V) -> V {
            // SAFETY: as the caller states.
            unsafe { x.mul(V::splat(self.0)) }
        }
    }
    map(Scale(factor), input, output);
}

/// Sets the output to one number.
pub(crate) fn fill(mut output: MatrixMut<'_>, number: f32) {
    for row in 0..output.rows() {
        output.row_mut(row).fill(number);
    }
}
