//! What there is to say about a network and its runs.

mod dot;
mod layout;
pub mod speedup;
mod svg;

pub use dot::dot;
pub use svg::svg;
