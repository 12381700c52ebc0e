//! What there is to say about a network and its runs.

pub mod speedup;
