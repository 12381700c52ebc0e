//! What a worker does between two looks into the queue.

use std::sync::Arc;

use super::policy::ReadyPart;
use super::queue::{Found, Queue};
use super::sync::Primitives;

/// A run as its workers see it.
pub(super) trait Work {
    /// Runs a part of a ready task. Gives back when it ended, if the run is observed.
    fn run_part(&self, part: ReadyPart, worker: usize) -> u64;

    /// Counts the part's end; says whether it was the task's last.
    fn part_done(&self, task: u32) -> bool;

    /// Ends a task, at time `now` if it is observed: sends its messages, and adds the tasks that they
    /// make ready to `ready`. Says whether it was the run's last.
    fn complete(&self, task: u32, now: u64, ready: &mut Vec<u32>) -> bool;

    /// How many tasks there are.
    fn task_count(&self) -> u32;

    /// How many parts all tasks have.
    fn part_count(&self) -> usize;

    /// Into how many parts the task is split.
    fn parts(&self, task: u32) -> u32;

    /// The number of the task's first part among those of all tasks; the others follow.
    fn first_part(&self, task: u32) -> usize;

    /// Estimated seconds of a part of the task.
    fn part_seconds(&self, task: u32) -> f64;
}

/// What one thread keeps to itself.
#[derive(Debug)]
pub(super) struct Worker<R> {
    pub(super) number: usize,
    pub(super) run: Option<Arc<R>>,
    /// Tasks made ready by the one just completed.
    ready: Vec<u32>,
    /// Short parts taken together, last first.
    pub(super) taken: Vec<ReadyPart>,
}

impl<R: Work> Worker<R> {
    pub(super) fn new(number: usize) -> Self {
        Self { number, run: None, ready: Vec::new(), taken: Vec::new() }
    }

    /// Whether it is the thread that waits for the run's end.
    pub(super) fn is_caller(&self) -> bool {
        self.number == 0
    }

    /// Runs parts until there is nothing more to do for this thread.
    pub(super) fn work<P: Primitives>(&mut self, queue: &Queue<P, R>) -> Found {
        let mut next = None;
        loop {
            let part = match next.take().or_else(|| self.taken.pop()) {
                Some(part) => part,
                None => match queue.find(self) {
                    Found::Part(part) => part,
                    end => return end,
                },
            };
            next = self.run_part(queue, part);
        }
    }

    /// Runs a part, and, if that completes its task, publishes what becomes ready; gives back one
    /// part to go on with.
    fn run_part<P: Primitives>(
        &mut self,
        queue: &Queue<P, R>,
        part: ReadyPart,
    ) -> Option<ReadyPart> {
        // The queue sets the run together with the part.
        let run = self.run.as_deref()?;
        let ended = run.run_part(part, self.number);
        if queue.is_supervised() {
            return queue.end_supervised(self.number, part, ended, run, &mut self.ready);
        }
        if !run.part_done(part.task) {
            return None;
        }
        self.ready.clear();
        if run.complete(part.task, ended, &mut self.ready) {
            queue.finish();
            return None;
        }
        let &first = self.ready.first()?;
        let alone = self.ready.len() == 1 && run.parts(first) == 1;
        if alone && self.taken.is_empty() && queue.is_empty() {
            return Some(ReadyPart { task: first, part: 0 });
        }
        queue.publish_and_take(self.number, run, &self.ready, &mut self.taken)
    }
}
