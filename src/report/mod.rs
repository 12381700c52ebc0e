//! What there is to say about a network and its runs.

mod dot;
pub mod speedup;

pub use dot::dot;
