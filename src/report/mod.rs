//! What graphs look like.

mod dot;

pub use dot::dot;
