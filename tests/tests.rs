//! The integration tests, in one binary.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod executors;
mod optimizers;
