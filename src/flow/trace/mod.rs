//! What ran where and when: recorded, and written for other programs.
//!
//! A [`Recorder`] observes a run. What it kept, or what a simulation made up, is a list of
//! [`Execution`]s, which [`chrome()`] writes for Perfetto, [`csv()`] for tables (with the feature `csv`), [`json_lines`] for
//! programs, and [`paje()`] for `ViTE` and `pj_dump`. [`read()`] reads the first three back, [`analyse`]
//! says where the time of an execution went, and [`difference()`] what became different from one trace to another.

mod analysis;
mod chrome;
mod counters;
mod difference;
mod executed_path;
mod gather;
mod idle_causes;
mod paje;
mod read;
mod recorder;
mod table;
#[cfg(test)]
mod tests;

pub use analysis::{Analysis, analyse};
pub use chrome::chrome;
pub use counters::{live_bytes, ready_parts};
pub use difference::{Difference, TaskDifference, difference};
pub use executed_path::{Cause, PathStep};
pub use idle_causes::WorkerUse;
pub use paje::paje;
pub use read::{Trace, TracedTask, read};
pub use recorder::Recorder;
#[cfg(feature = "csv")]
pub use table::csv;
pub use table::json_lines;

use super::graph::TaskGraph;
use super::observer::{MessageEvent, PartEvent, WorkerChange, WorkerEvent};

/// One execution of a graph. Times are nanoseconds on the clock of its run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Execution {
    /// When it began.
    pub began: u64,
    /// When its last task was done.
    pub ended: u64,
    /// Every part that ran, by start.
    pub events: Vec<PartEvent>,
    /// Every message that was sent, if the recorder keeps them, by time.
    pub messages: Vec<MessageEvent>,
    /// What happened to workers, if the recorder keeps that, by time; of every worker of a pool first of all whether it
    /// was awake when the execution began.
    pub workers: Vec<WorkerEvent>,
}

impl Execution {
    /// Nanoseconds from its beginning to its end.
    pub(crate) fn length(&self) -> u64 {
        self.ended.saturating_sub(self.began)
    }

    /// How many workers are known of.
    pub fn worker_count(&self) -> usize {
        let parts = self.events.iter().map(|event| event.worker);
        let numbers = parts.chain(self.workers.iter().map(|event| event.worker));
        numbers.max().map_or(0, |last| last + 1)
    }

    /// By worker: when it slept, from when to when, and when it was called, if it was. What had no end lasted to the
    /// end of the execution.
    pub fn sleeps(&self) -> Vec<Vec<Sleep>> {
        let workers = self.worker_count();
        let (mut sleeps, mut asleep) = (vec![Vec::new(); workers], vec![false; workers]);
        for event in &self.workers {
            let (list, asleep) = (&mut sleeps[event.worker], &mut asleep[event.worker]);
            let open = list.last_mut().filter(|_| *asleep);
            match (event.change, open) {
                (WorkerChange::Parked, None) => {
                    let to = self.ended.max(event.time);
                    list.push(Sleep { from: event.time, called: None, to });
                    *asleep = true;
                }
                (WorkerChange::Notified { .. }, Some(Sleep { called, .. })) => {
                    *called = Some(event.time);
                }
                (WorkerChange::Awake, Some(Sleep { to, .. })) => {
                    *to = event.time;
                    *asleep = false;
                }
                _ => {}
            }
        }
        sleeps
    }
}

/// A time in which a worker slept, in nanoseconds on the clock of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sleep {
    /// When it parked.
    pub from: u64,
    /// When another worker called it.
    pub called: Option<u64>,
    /// When it was awake again.
    pub to: u64,
}

/// By task: the tasks that it waits for, each once, in order.
fn waits_for(graph: &TaskGraph) -> Vec<Vec<usize>> {
    let mut waits = vec![Vec::new(); graph.task_count()];
    for task in graph.indices() {
        for successor in graph.successors(task) {
            waits[successor].push(task.index());
        }
    }
    waits
}
