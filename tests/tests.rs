//! The integration tests, in one binary.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod article;
mod command_line;
mod executors;
mod faults;
mod graph_errors;
mod laws;
mod optimizers;
mod oracles;
mod presets;
mod probe;
mod protocol;
mod random_graphs;
mod resuming;
mod sharing;
mod study_commands;
mod support_graphs;
mod watchdog;
