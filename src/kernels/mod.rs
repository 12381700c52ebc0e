//! Numeric kernels: the only place of the crate with SIMD or `unsafe` arithmetic.

mod buffer;
mod matrix;

pub use buffer::Buffer;
pub use matrix::{MatrixMut, MatrixRef};
