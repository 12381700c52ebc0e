//! What workers tell each other while they execute: who runs what, and since when.

use std::time::Instant;

use parking_lot::Mutex;

use crate::error::Error;
use crate::scheduling::dispatch::Assigned;
use crate::scheduling::{Instance, Placement, Schedule};

/// A task that is executed. Times are seconds of the clock since the beginning.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) worker: usize,
    pub(super) others: Vec<usize>,
    /// When it was given to the worker.
    pub(super) given: f64,
    pub(super) start: f64,
    pub(super) finish: f64,
}

#[derive(Debug)]
pub(super) struct Board {
    began: Mutex<Instant>,
    /// By task.
    entries: Mutex<Vec<Entry>>,
    fault: Mutex<Option<Error>>,
}

impl Board {
    pub(super) fn new(instance: &Instance<'_>) -> Self {
        let entry = Entry { worker: 0, others: Vec::new(), given: 0.0, start: 0.0, finish: 0.0 };
        Self {
            began: Mutex::new(Instant::now()),
            entries: Mutex::new(vec![entry; instance.graph().task_count()]),
            fault: Mutex::new(None),
        }
    }

    /// Time begins now.
    pub(super) fn begin(&self) {
        *self.began.lock() = Instant::now();
    }

    pub(super) fn began(&self) -> Instant {
        *self.began.lock()
    }

    /// A task is given to its workers now.
    pub(super) fn give(&self, assigned: &Assigned) {
        let given = self.began().elapsed().as_secs_f64();
        let entry = &mut self.entries.lock()[assigned.task];
        (entry.worker, entry.given) = (assigned.worker, given);
        entry.others.clone_from(&assigned.others);
    }

    /// How a task stands.
    pub(super) fn entry(&self, task: usize) -> Entry {
        self.entries.lock()[task].clone()
    }

    /// A task has run.
    pub(super) fn ran(&self, task: usize, start: f64, finish: f64) {
        let entry = &mut self.entries.lock()[task];
        (entry.start, entry.finish) = (start, finish);
    }

    /// The policy did something wrong.
    pub(super) fn refuse(&self, fault: Error) {
        self.fault.lock().get_or_insert(fault);
    }

    pub(super) fn fault(&self) -> Option<Error> {
        self.fault.lock().take()
    }

    /// What was executed, in units of so many seconds.
    pub(super) fn schedule(&self, unit: f64) -> Schedule {
        let entries = self.entries.lock();
        let placements = entries.iter().enumerate().map(|(task, it)| {
            let placement = Placement::new(task, it.worker, it.start / unit, it.finish / unit);
            Placement { others: it.others.clone(), ..placement }
        });
        Schedule::new(placements.collect())
    }
}
