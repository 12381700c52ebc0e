//! Caudal trains neural networks that are directed acyclic graphs on the cores of a CPU.

pub mod data;
mod error;
pub mod kernels;
mod tensor;

pub use error::{Error, Failure, Result};
pub use tensor::{Shape, Tensor, describe_shape};
