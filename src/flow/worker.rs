//! What a worker does between two looks into the queue.

use std::sync::Arc;

use super::index::TaskIndex;
use super::pace::Pace;
use super::policy::ReadyPart;
use super::program::Program;
use super::queue::{Found, Queue};
use super::sync::Primitives;
use super::work::{Ended, Work, end_part, run_part};

/// The worker that is the thread which waits for the run's end.
pub(super) const CALLER: usize = 0;

/// What one thread keeps to itself.
pub(super) struct Worker<P: Primitives> {
    pub(super) number: usize,
    pub(super) run: Option<Arc<dyn Work<P>>>,
    /// Tasks made ready by the one just completed.
    ready: Vec<TaskIndex>,
    /// Short parts taken together, last first.
    pub(super) taken: Vec<ReadyPart>,
    /// How fast it has seen parts come and go.
    pub(super) pace: Pace,
    /// The last change of the queue at which it was counted as refused.
    pub(super) refused_at: Option<usize>,
}

impl<P: Primitives> Worker<P> {
    pub(super) fn new(number: usize) -> Self {
        Self {
            number,
            run: None,
            ready: Vec::new(),
            taken: Vec::new(),
            pace: Pace::default(),
            refused_at: None,
        }
    }

    /// Whether it is the thread that waits for the run's end.
    pub(super) fn is_caller(&self) -> bool {
        self.number == CALLER
    }

    /// Runs parts until there is nothing more to do for this thread.
    pub(super) fn work(&mut self, queue: &Queue<P>) -> Found {
        loop {
            let part = match queue.find(self) {
                Found::Part(part) => part,
                end => return end,
            };
            // The queue sets the run together with the part.
            if let Some(run) = self.run.take() {
                run.work_on(part, self, queue);
                self.run = Some(run);
            }
        }
    }

    /// Runs `part`, then what it has taken or may go on with.
    pub(super) fn go_on<T>(&mut self, program: &T, mut part: ReadyPart, queue: &Queue<P>)
    where
        T: Program<Primitives = P>,
    {
        while let Some(next) = self.run_part(program, part, queue).or_else(|| self.taken.pop()) {
            part = next;
        }
    }

    /// Runs a part, and, if that completes its task, publishes what becomes ready; gives back one
    /// part to go on with.
    #[inline]
    fn run_part<T>(&mut self, program: &T, part: ReadyPart, queue: &Queue<P>) -> Option<ReadyPart>
    where
        T: Program<Primitives = P>,
    {
        let ended = run_part(program, part, self.number);
        if queue.is_supervised() {
            return queue.end_supervised(self.number, part, ended, program, &mut self.ready);
        }
        if end_part(program, part, ended, self.number, &mut self.ready) == Ended::Run {
            queue.finish(self.number);
            return None;
        }
        let &first = self.ready.first()?;
        if queue.waits_for_nobody() && !self.taken.is_empty() {
            // Nobody else would take them: they are published together, when what was taken has run.
            return None;
        }
        let graph = &*program.core().graph;
        let alone = self.ready.len() == 1 && graph.tasks[first].parts == 1;
        if alone && self.taken.is_empty() && queue.is_empty() {
            self.ready.clear();
            return Some(ReadyPart { task: first, part: 0 });
        }
        queue.publish_and_take(self.number, graph, &mut self.ready, &mut self.taken)
    }
}
