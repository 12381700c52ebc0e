//! Writes down what a policy decides.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{Event, Schedule};
use crate::error::Result;
use crate::flow::graph::TaskGraph;
use crate::flow::policy::{Policy, ReadyPart, Setting};

/// What a [`Recording`] has written down so far; clones belong together.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Schedule>>);

impl Log {
    /// A copy of it.
    pub fn schedule(&self) -> Schedule {
        self.0.lock().clone()
    }

    fn note(&self, event: Event) {
        self.0.lock().events.push(event);
    }
}

/// Another policy, whose decisions are written down. It supervises: parts that a worker would have
/// gone on with unasked are decisions, too.
#[derive(Debug)]
pub struct Recording {
    policy: Box<dyn Policy>,
    log: Log,
    one_at_a_time: bool,
    running: usize,
}

impl Recording {
    /// Writes down what `policy` decides.
    pub fn new(policy: Box<dyn Policy>) -> Self {
        Self { policy, log: Log::default(), one_at_a_time: false, running: 0 }
    }

    /// Lets no part start while another runs, on whatever worker. Then nothing is left to chance
    /// between the decisions, and a replay repeats the run even where layers share what they must not.
    #[must_use]
    pub fn one_at_a_time(self) -> Self {
        Self { one_at_a_time: true, ..self }
    }

    /// Where it writes.
    pub fn log(&self) -> Log {
        self.log.clone()
    }
}

impl Policy for Recording {
    fn name(&self) -> &'static str {
        self.policy.name()
    }

    fn supervises(&self) -> bool {
        true
    }

    fn begin(&mut self, graph: &TaskGraph, workers: usize) -> Result<()> {
        self.begin_on(graph, &Setting::equal(workers))
    }

    fn begin_on(&mut self, graph: &TaskGraph, setting: &Setting) -> Result<()> {
        self.policy.begin_on(graph, setting)?;
        self.log.note(Event::Run { graph: graph.fingerprint(), workers: setting.workers() });
        self.running = 0;
        Ok(())
    }

    fn watches_clock(&self) -> bool {
        self.policy.watches_clock()
    }

    fn now(&mut self, seconds: f64) {
        self.policy.now(seconds);
    }

    fn learn(&mut self, graph: &TaskGraph, seconds: &[f64]) {
        self.policy.learn(graph, seconds);
    }

    fn push(&mut self, part: ReadyPart, worker: usize) {
        self.policy.push(part, worker);
    }

    fn pop(&mut self, worker: usize) -> Option<ReadyPart> {
        if self.one_at_a_time && self.running > 0 {
            return None;
        }
        let part = self.policy.pop(worker)?;
        self.running += 1;
        self.log.note(Event::Start(worker, part.task.number(), part.part));
        Some(part)
    }

    fn taken_from(&self) -> Option<usize> {
        self.policy.taken_from()
    }

    fn done(&mut self, part: ReadyPart, worker: usize) {
        self.running -= 1;
        self.log.note(Event::End(worker, part.task.number(), part.part));
        if self.policy.supervises() {
            self.policy.done(part, worker);
        }
    }
}
