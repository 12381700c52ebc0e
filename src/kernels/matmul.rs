//! Products of matrices of which neither is a parameter, so that neither lies in panels: the second
//! one is packed for the call.

use super::panels::{Panels, pack, panel_len, panel_rows, unpack};
use super::{MatrixMut, MatrixRef, product, product_transposed, weight_gradient, with_scratch};

/// `c = a b`, overwriting `c`: a is m x k, b is k x n, c is m x n.
///
/// # Panics
/// If the sizes do not fit.
pub(crate) fn matmul(a: MatrixRef<'_>, b: MatrixRef<'_>, c: MatrixMut<'_>) {
    with_panels(b, |b| product(a, b, None, c));
}

/// `c = a bᵀ`, overwriting `c`: a is m x k, b is n x k, c is m x n.
///
/// # Panics
/// If the sizes do not fit.
pub(crate) fn matmul_transposed(a: MatrixRef<'_>, b: MatrixRef<'_>, c: MatrixMut<'_>) {
    with_panels(b, |b| product_transposed(a, b, c));
}

/// `c = aᵀ b`, overwriting `c`: a is m x k, b is m x n, c is k x n.
///
/// # Panics
/// If the sizes do not fit.
pub(crate) fn transposed_matmul(a: MatrixRef<'_>, b: MatrixRef<'_>, c: MatrixMut<'_>) {
    let (k, n) = (a.cols(), b.cols());
    with_scratch(panel_len(k, n), |packed| {
        weight_gradient(1, |_| [a, b], 0..panel_rows(k, n), &[], packed);
        unpack(Panels::new(packed, k, n), c);
    });
}

fn with_panels<R>(b: MatrixRef<'_>, work: impl FnOnce(Panels<'_>) -> R) -> R {
    with_scratch(panel_len(b.rows(), b.cols()), |packed| {
        pack(b, packed);
        work(Panels::new(packed, b.rows(), b.cols()))
    })
}
