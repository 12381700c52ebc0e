//! Observers are told of workers that park, are called, wake, and take parts from others' queues.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use super::core::Core;
use super::message::Message;
use super::observer::{WorkerChange, WorkerEvent};
use super::queue::State;
use super::sync::Primitives;

impl<M: Message, P: Primitives> Core<M, P> {
    /// Whether anybody wants to know what happens to workers.
    pub(super) fn are_workers_observed(&self) -> bool {
        self.workers_observed.load(Ordering::Relaxed)
    }

    /// Tells the observer what happens to a worker now.
    pub(super) fn tell_of_worker(&self, worker: usize, change: WorkerChange) {
        let event = WorkerEvent { worker, change, time: self.clock.now() };
        if let Some(observer) = self.observer.read().as_deref() {
            // It concerns no part that could fail.
            drop(catch_unwind(AssertUnwindSafe(|| observer.worker(event))));
        }
    }
}

impl<P: Primitives> State<P> {
    /// Tells the run's observer, if it wants to know, what happens to a worker now.
    pub(super) fn tell(&self, worker: usize, change: WorkerChange) {
        if self.listens
            && let Some(run) = &self.run
        {
            run.tell_of_worker(worker, change);
        }
    }

    /// Tells who is awake, and who sleeps.
    pub(super) fn tell_of_all(&self, workers: usize) {
        for worker in 0..workers {
            let sleeps = self.sleepers.contains(&worker);
            self.tell(worker, if sleeps { WorkerChange::Parked } else { WorkerChange::Awake });
        }
    }
}
