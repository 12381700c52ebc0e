//! A queue for every worker, and leave to take from the others'.

use std::collections::VecDeque;

use super::{Policy, PolicySpec, ReadyPart, nothing_after};
use crate::error::Result;
use crate::flow::graph::TaskGraph;

pub(super) static SPEC: PolicySpec = PolicySpec {
    name: "steal",
    summary: "the newest part that the worker made ready itself, else the oldest of the next worker's",
    arguments: &[],
    make: |argument| {
        nothing_after(argument)?;
        Ok(Box::new(Steal::default()))
    },
};

/// A worker runs the newest part that it made ready itself. If there is none, it takes the oldest part
/// of the first other worker that has one, from the next number upwards and around: the discipline of
/// Cilk (Blumofe and Leiserson 1999), with a fixed order of victims instead of a random one.
#[derive(Debug, Default)]
pub struct Steal {
    /// By worker: the parts that it made ready, the newest at the back.
    queues: Vec<VecDeque<ReadyPart>>,
    /// In whose queue the last part was, if not in that of the worker who asked.
    victim: Option<usize>,
}

impl Policy for Steal {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn begin(&mut self, _plan: &TaskGraph, workers: usize) -> Result<()> {
        self.queues.resize_with(workers, VecDeque::new);
        Ok(())
    }

    fn push(&mut self, part: ReadyPart, worker: usize) {
        self.queues[worker].push_back(part);
    }

    fn pop(&mut self, worker: usize) -> Option<ReadyPart> {
        self.victim = None;
        if let Some(own) = self.queues[worker].pop_back() {
            return Some(own);
        }
        let workers = self.queues.len();
        let mut others = (1..workers).map(|distance| (worker + distance) % workers);
        let (victim, part) =
            others.find_map(|victim| Some((victim, self.queues[victim].pop_front()?)))?;
        self.victim = Some(victim);
        Some(part)
    }

    fn taken_from(&self) -> Option<usize> {
        self.victim
    }
}
