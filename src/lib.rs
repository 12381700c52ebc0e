//! Caudal trains neural networks that are directed acyclic graphs on the cores of a CPU.

mod attributes;
pub mod blocks;
pub mod context;
pub mod data;
mod error;
pub mod flow;
pub mod graph;
pub mod initializers;
pub mod kernels;
pub mod layers;
pub mod losses;
pub mod measure;
pub mod metrics;
pub mod model;
mod open;
pub mod optimizers;
mod parameter;
pub mod plan;
pub mod presets;
mod random;
pub mod regularizers;
pub mod report;
pub mod run;
pub mod simulator;
pub mod statistics;
mod tensor;
pub mod train;

pub use error::{Error, Failure, Result};
pub use tensor::{Shape, Tensor, describe_shape};

/// The program in the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
