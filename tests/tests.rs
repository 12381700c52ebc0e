//! The integration tests, in one binary.

mod article;
mod executors;
mod faults;
mod protocol;
mod random_graphs;
mod support_graphs;
mod watchdog;
