#![doc = include_str!("../README.md")]

mod attributes;
pub mod blocks;
pub mod context;
pub mod data;
mod error;
pub mod files;
pub mod flow;
pub mod graph;
pub mod initializers;
mod kernels;
pub mod layers;
pub mod losses;
pub mod measure;
mod memory;
pub mod metrics;
pub mod model;
mod names;
#[cfg(feature = "onnx")]
pub mod onnx;
mod open;
pub mod optimizers;
mod parameter;
mod patterns;
pub mod plan;
pub mod presets;
mod protobuf;
mod random;
pub mod regularizers;
pub mod report;
pub mod run;
pub mod scheduling;
mod setters;
pub mod simulator;
pub mod statistics;
pub mod task_bench;
mod tensor;
pub mod topology;
pub mod train;

pub use error::{Error, Failure, Result};
pub use tensor::{Shape, Tensor, describe_shape};

/// Tensors are its arrays.
pub use ndarray;
/// Attributes of layers and the like are its tables.
pub use toml;
