//! Activations beside those of `elementwise`, and their gradients.
//!
//! In all of them, without an input the output is changed in place, and without an output gradient
//! `gradient` holds it and is changed in place.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use super::elementwise::{Binary, Unary, map, zip};
use super::exponential::{exp, exp_m1_of_negative, ln_1p, normal, sigmoid};
use super::vector::Vector;
use super::{MatrixMut, MatrixRef};

/// The input where it is positive (or NaN), elsewhere the input times `slope`.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn leaky_relu(slope: f32, input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
    #[derive(Clone, Copy)]
    struct LeakyRelu(f32);
    impl Unary for LeakyRelu {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, x: V) -> V {
            // SAFETY: as the caller states.
            unsafe { x.select_le(V::splat(0.0), x.mul(V::splat(self.0)), x) }
        }
    }
    map(LeakyRelu(slope), input, output);
}

/// The gradient of [`leaky_relu`]'s input, from its output; the slope must not be negative.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn leaky_relu_grad(
    slope: f32,
    output: MatrixRef<'_>,
    output_grad: Option<MatrixRef<'_>>,
    gradient: MatrixMut<'_>,
) {
    #[derive(Clone, Copy)]
    struct LeakyReluGrad(f32);
    impl Binary for LeakyReluGrad {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, output: V, grad: V) -> V {
            // SAFETY: as the caller states.
            unsafe { output.select_le(V::splat(0.0), grad.mul(V::splat(self.0)), grad) }
        }
    }
    zip(LeakyReluGrad(slope), Some(output), output_grad, gradient);
}

/// The input where it is between two bounds (or NaN), elsewhere the nearer bound.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn clip(bounds: [f32; 2], input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
    #[derive(Clone, Copy)]
    struct Clip([f32; 2]);
    impl Unary for Clip {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, x: V) -> V {
            // SAFETY: as the caller states.
            unsafe {
                let [least, largest] = self.0.map(|bound| V::splat(bound));
                // What is no number is neither below nor above, and stays.
                x.select_le(least, least, largest.select_le(x, largest, x))
            }
        }
    }
    map(Clip(bounds), input, output);
}

/// The gradient of [`clip`]'s input, from its output: that of the output where this is neither bound.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn clip_grad(
    bounds: [f32; 2],
    output: MatrixRef<'_>,
    output_grad: Option<MatrixRef<'_>>,
    gradient: MatrixMut<'_>,
) {
    #[derive(Clone, Copy)]
    struct ClipGrad([f32; 2]);
    impl Binary for ClipGrad {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, output: V, grad: V) -> V {
            // SAFETY: as the caller states.
            unsafe {
                let [least, largest] = self.0.map(|bound| V::splat(bound));
                let zero = V::splat(0.0);
                output.select_le(least, zero, largest.select_le(output, zero, grad))
            }
        }
    }
    zip(ClipGrad(bounds), Some(output), output_grad, gradient);
}

/// The input where it is positive (or NaN), elsewhere `alpha * (e^input - 1)`.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn elu(alpha: f32, input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
    #[derive(Clone, Copy)]
    struct Elu(f32);
    impl Unary for Elu {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, x: V) -> V {
            // SAFETY: as the caller states.
            unsafe {
                let zero = V::splat(0.0);
                let below = exp_m1_of_negative(zero.min(x)).mul(V::splat(self.0));
                x.select_le(zero, below, x)
            }
        }
    }
    map(Elu(alpha), input, output);
}

/// The gradient of [`elu`]'s input, from its output: where that is not positive,
/// `alpha * e^input = output + alpha`. `alpha` must not be negative.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn elu_grad(
    alpha: f32,
    output: MatrixRef<'_>,
    output_grad: Option<MatrixRef<'_>>,
    gradient: MatrixMut<'_>,
) {
    #[derive(Clone, Copy)]
    struct EluGrad(f32);
    impl Binary for EluGrad {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, output: V, grad: V) -> V {
            // SAFETY: as the caller states.
            unsafe {
                let below = grad.mul(output.add(V::splat(self.0)));
                output.select_le(V::splat(0.0), below, grad)
            }
        }
    }
    zip(EluGrad(alpha), Some(output), output_grad, gradient);
}

/// The input times the share of a standard normal distribution below it:
/// `x * (1 + erf(x / sqrt(2))) / 2` (Hendrycks and Gimpel 2016).
///
/// # Panics
/// If the sizes differ.
pub(crate) fn gelu(input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
    #[derive(Clone, Copy)]
    struct Gelu;
    impl Unary for Gelu {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, x: V) -> V {
            // SAFETY: as the caller states.
            unsafe {
                // Below -14 the result is nothing, but for infinity times zero.
                let x = V::splat(-14.0).max(x);
                x.mul(normal(x).0)
            }
        }
    }
    map(Gelu, input, output);
}

/// The gradient of [`gelu`]'s input, from its input: that share, plus `x e^(-x^2 / 2) / sqrt(2 pi)`.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn gelu_grad(
    input: MatrixRef<'_>,
    output_grad: Option<MatrixRef<'_>>,
    gradient: MatrixMut<'_>,
) {
    #[derive(Clone, Copy)]
    struct GeluGrad;
    impl Binary for GeluGrad {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, x: V, grad: V) -> V {
            // SAFETY: as the caller states.
            unsafe {
                // Beyond 14 it is 0 or 1.
                let x = V::splat(14.0).min(V::splat(-14.0).max(x));
                let (below, bell) = normal(x);
                let density = bell.mul(V::splat(0.5 * FRAC_1_SQRT_2 * FRAC_2_SQRT_PI));
                grad.mul(x.mul_add(density, below))
            }
        }
    }
    zip(GeluGrad, Some(input), output_grad, gradient);
}

/// The input times its logistic function: `x / (1 + e^-x)`.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn silu(input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
    #[derive(Clone, Copy)]
    struct Silu;
    impl Unary for Silu {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, x: V) -> V {
            // SAFETY: as the caller states.
            unsafe {
                // Below -100 the result is nothing, but the logistic function ends at 4e-39.
                V::splat(-100.0).max(x).mul(sigmoid(x))
            }
        }
    }
    map(Silu, input, output);
}

/// The gradient of [`silu`]'s input, from its input: `s * (1 + x * (1 - s))`, `s` being the logistic
/// function.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn silu_grad(
    input: MatrixRef<'_>,
    output_grad: Option<MatrixRef<'_>>,
    gradient: MatrixMut<'_>,
) {
    #[derive(Clone, Copy)]
    struct SiluGrad;
    impl Binary for SiluGrad {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, x: V, grad: V) -> V {
            // SAFETY: as the caller states.
            unsafe {
                // Beyond 100 it is 0 or 1.
                let x = V::splat(100.0).min(V::splat(-100.0).max(x));
                let (one, s) = (V::splat(1.0), sigmoid(x));
                grad.mul(s.mul(x.mul_add(one.sub(s), one)))
            }
        }
    }
    zip(SiluGrad, Some(input), output_grad, gradient);
}

/// `ln(1 + e^x)`, as `max(x, 0) + ln(1 + e^-|x|)`, which never overflows.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn softplus(input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
    #[derive(Clone, Copy)]
    struct Softplus;
    impl Unary for Softplus {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, x: V) -> V {
            // SAFETY: as the caller states.
            unsafe {
                let zero = V::splat(0.0);
                zero.max(x).add(ln_1p(exp(x.min(zero.sub(x)))))
            }
        }
    }
    map(Softplus, input, output);
}

/// The gradient of [`softplus`]'s input, from its input: the logistic function.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn softplus_grad(
    input: MatrixRef<'_>,
    output_grad: Option<MatrixRef<'_>>,
    gradient: MatrixMut<'_>,
) {
    #[derive(Clone, Copy)]
    struct SoftplusGrad;
    impl Binary for SoftplusGrad {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, x: V, grad: V) -> V {
            // SAFETY: as the caller states.
            unsafe { grad.mul(sigmoid(x)) }
        }
    }
    zip(SoftplusGrad, Some(input), output_grad, gradient);
}
