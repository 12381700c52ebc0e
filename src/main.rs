//! The `caudal` program.

fn main() {}
