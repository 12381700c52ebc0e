//! The integration tests, in one binary.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod article;
mod clipping;
mod command_line;
mod command_line_training;
mod custom_kinds;
mod documents;
mod executors;
mod faults;
mod finished_work;
mod floors;
mod flow_api;
mod freezing;
mod graph_errors;
mod laws;
mod learning_rate_schedules;
mod micro_batches;
mod network_operations;
mod not_finite;
mod optimizers;
mod oracles;
mod parameter_groups;
mod parts;
mod pictures;
mod policies;
mod policy_faults;
mod predict_stream;
mod presets;
mod probe;
mod protocol;
mod random_graphs;
mod reference_defects;
mod reference_features;
mod resuming;
mod schedules;
mod shared_parameters;
mod sharing;
mod simulator;
mod statistics;
mod study_commands;
mod support_graphs;
mod surface;
mod tables;
mod watchdog;
