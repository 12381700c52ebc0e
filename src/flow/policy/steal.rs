//! A queue for every worker, and leave to take from the others'.

use std::collections::VecDeque;

use super::{Policy, PolicySpec, ReadyPart, Setting, nothing_after};
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
/// of the first other worker that has one, from the next number upwards and around, first among those of its cache group: the
/// discipline of Cilk (Blumofe and Leiserson 1999), with a fixed order of victims instead of a random one.
#[derive(Debug, Default)]
pub struct Steal {
    /// By worker: the parts that it made ready, the newest at the back.
    queues: Vec<VecDeque<ReadyPart>>,
    /// Who they are, and their cache groups.
    setting: Option<Setting>,
    /// In whose queue the last part was, if not in that of the worker who asked.
    victim: Option<usize>,
}

impl Policy for Steal {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn begin(&mut self, graph: &TaskGraph, workers: usize) -> Result<()> {
        self.begin_on(graph, &Setting::equal(workers))
    }

    fn begin_on(&mut self, _graph: &TaskGraph, setting: &Setting) -> Result<()> {
        self.queues.resize_with(setting.workers(), VecDeque::new);
        self.setting = (setting.group_count() > 1).then(|| setting.clone());
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
        let others = || (1..workers).map(|distance| (worker + distance) % workers);
        let has_parts = |victim: &usize| !self.queues[*victim].is_empty();
        let near = self.setting.as_ref().and_then(|setting| {
            let group = setting.group(worker);
            others().filter(|&other| setting.group(other) == group).find(has_parts)
        });
        let victim = near.or_else(|| others().find(has_parts))?;
        self.victim = Some(victim);
        self.queues[victim].pop_front()
    }

    fn taken_from(&self) -> Option<usize> {
        self.victim
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{TaskGraphBuilder, TaskIndex};

    #[test]
    fn a_worker_takes_from_its_cache_group_first() {
        let mut graph = TaskGraphBuilder::new("eight");
        for number in 0..8 {
            graph.task(number.to_string(), 1.0, &[]).unwrap();
        }
        let graph = graph.build().unwrap();
        let victims = |setting: &Setting| {
            let mut policy = Steal::default();
            policy.begin_on(&graph, setting).unwrap();
            for worker in [0, 1, 2, 0, 1, 2] {
                policy.push(ReadyPart { task: TaskIndex::new(worker), part: 0 }, worker);
            }
            let order: Vec<usize> = (0..6)
                .map(|_| {
                    let part = policy.pop(3).unwrap();
                    assert_eq!(Some(part.task.index()), policy.taken_from());
                    part.task.index()
                })
                .collect();
            assert!(policy.pop(3).is_none());
            order
        };
        assert_eq!(victims(&Setting::equal(4)), [0, 0, 1, 1, 2, 2]);
        assert_eq!(victims(&Setting::equal(4).with_groups(&[7, 7, 5, 5])), [2, 2, 0, 0, 1, 1]);
        assert_eq!(victims(&Setting::equal(4).with_groups(&[0, 1, 0, 1])), [1, 1, 0, 0, 2, 2]);
    }
}
