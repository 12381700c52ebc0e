//! Differences, products and quotients of matrices, number by number.

use super::elementwise::{Binary, Unary, map, zip};
use super::vector::Vector;
use super::{MatrixMut, MatrixRef};

/// `first - second`. Without a first, it is what the output holds.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn subtract(first: Option<MatrixRef<'_>>, second: MatrixRef<'_>, output: MatrixMut<'_>) {
    #[derive(Clone, Copy)]
    struct Subtract;
    impl Binary for Subtract {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, x: V, y: V) -> V {
            x.sub(y)
        }
    }
    zip(Subtract, first, Some(second), output);
}

/// `first * second`. Without a first, it is what the output holds.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn multiply(first: Option<MatrixRef<'_>>, second: MatrixRef<'_>, output: MatrixMut<'_>) {
    #[derive(Clone, Copy)]
    struct Multiply;
    impl Binary for Multiply {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, x: V, y: V) -> V {
            x.mul(y)
        }
    }
    zip(Multiply, first, Some(second), output);
}

/// `first / second`. Without a first, it is what the output holds.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn divide(first: Option<MatrixRef<'_>>, second: MatrixRef<'_>, output: MatrixMut<'_>) {
    #[derive(Clone, Copy)]
    struct Divide;
    impl Binary for Divide {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, x: V, y: V) -> V {
            x.div(y)
        }
    }
    zip(Divide, first, Some(second), output);
}

/// The input times -1.
///
/// # Panics
/// If the sizes differ.
pub(crate) fn negate(input: MatrixRef<'_>, output: MatrixMut<'_>) {
    #[derive(Clone, Copy)]
    struct Negate;
    impl Unary for Negate {
        #[inline(always)]
        unsafe fn apply<V: Vector>(self, x: V) -> V {
            // SAFETY: as the caller states.
            unsafe { V::splat(-1.0).mul(x) }
        }
    }
    map(Negate, Some(input), output);
}
