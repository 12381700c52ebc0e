//! What ran where and when: recorded, and written for other programs.
//!
//! A [`Recorder`] observes a run. What it kept, or what a simulation made up, is a list of
//! [`Execution`]s, which [`chrome()`] writes for Perfetto, [`csv()`] for tables, and [`json_lines`] for
//! programs.

mod chrome;
mod counters;
mod recorder;
mod table;
#[cfg(test)]
mod tests;

pub use chrome::chrome;
pub use counters::{live_bytes, ready_parts};
pub use recorder::Recorder;
pub use table::{csv, json_lines};

use super::plan::{Phase, Plan};
use super::run::PartEvent;

/// One execution of a plan. Times are nanoseconds on the clock of its run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Execution {
    /// When it began.
    pub began: u64,
    /// When its last task was done.
    pub ended: u64,
    /// Every part that ran, by start.
    pub events: Vec<PartEvent>,
}

/// What a task does: the names of all its steps with their phases, as `conv + relu, forward`.
pub fn task_label(plan: &Plan, task: usize) -> String {
    let steps = plan.task(task).steps;
    let mut groups: Vec<(Phase, Vec<&str>)> = Vec::new();
    for (node, phase) in steps {
        match groups.last_mut() {
            Some((last, nodes)) if *last == phase => nodes.push(node),
            _ => groups.push((phase, vec![node])),
        }
    }
    let groups: Vec<String> = groups
        .into_iter()
        .map(|(phase, mut nodes)| {
            nodes.dedup();
            format!("{}, {}", nodes.join(" + "), phase.name())
        })
        .collect();
    groups.join("; ")
}
