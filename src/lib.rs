//! Caudal trains neural networks that are directed acyclic graphs on the cores of a CPU.

pub mod kernels;
