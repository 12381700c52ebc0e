//! What a worker does between two looks into the queue.

use std::sync::Arc;

use super::core::{Ended, Work};
use super::policy::ReadyPart;
use super::queue::{Found, Queue};
use super::sync::Primitives;

/// What one thread keeps to itself.
pub(super) struct Worker {
    pub(super) number: usize,
    pub(super) run: Option<Arc<dyn Work>>,
    /// Tasks made ready by the one just completed.
    ready: Vec<u32>,
    /// Short parts taken together, last first.
    pub(super) taken: Vec<ReadyPart>,
}

impl Worker {
    pub(super) fn new(number: usize) -> Self {
        Self { number, run: None, ready: Vec::new(), taken: Vec::new() }
    }

    /// Whether it is the thread that waits for the run's end.
    pub(super) fn is_caller(&self) -> bool {
        self.number == 0
    }

    /// Runs parts until there is nothing more to do for this thread.
    pub(super) fn work<P: Primitives>(&mut self, queue: &Queue<P>) -> Found {
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
    fn run_part<P: Primitives>(&mut self, queue: &Queue<P>, part: ReadyPart) -> Option<ReadyPart> {
        // The queue sets the run together with the part.
        let run = self.run.as_deref()?;
        if queue.is_supervised() {
            let ended = run.run_part(part, self.number);
            return queue.end_supervised(self.number, part, ended, run, &mut self.ready);
        }
        self.ready.clear();
        match run.step(part, self.number, &mut self.ready) {
            Ended::Part => return None,
            Ended::Task => {}
            Ended::Run => {
                queue.finish();
                return None;
            }
        }
        let &first = self.ready.first()?;
        let graph = run.graph();
        let alone = self.ready.len() == 1 && graph.tasks[first as usize].parts == 1;
        if alone && self.taken.is_empty() && queue.is_empty() {
            return Some(ReadyPart { task: first, part: 0 });
        }
        queue.publish_and_take(self.number, graph, &self.ready, &mut self.taken)
    }
}
