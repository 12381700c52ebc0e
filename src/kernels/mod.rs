//! Numeric kernels: the only place of the crate with SIMD or `unsafe` arithmetic.

mod matrix;

pub use matrix::{MatrixMut, MatrixRef};
