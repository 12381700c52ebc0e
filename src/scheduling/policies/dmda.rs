//! Deque model, data aware: `StarPU`'s way.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::candidates::least;
use super::{StaticPolicy, StaticPolicySpec, plain};
use crate::error::Result;
use crate::scheduling::{Instance, PartialSchedule, ReadyTasks, Schedule};

pub(super) static SPEC: StaticPolicySpec = StaticPolicySpec {
    name: "dmda",
    summary: "tasks as they become ready, each to the queue in which it is expected to end first with its transfers",
    source: "Augonnet, Clet-Ortega, Thibault and Namyst: Data-aware task scheduling on multi-accelerator based \
             platforms, ICPADS 2010 (StarPU's dmda)",
    arguments: &[],
    make: |argument| plain(Dmda, argument),
};

/// Tasks in the order in which they become ready, at the end of the last that they wait for and not before their
/// release: each goes to the end of the queue of the worker on which it is expected to end first, with all messages to
/// it (Augonnet, Clet-Ortega, Thibault and Namyst 2010). What follows the task doesn't count. Of those that become
/// ready together, the lower number goes first; of workers where it ends at the same time, the first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dmda;

impl StaticPolicy for Dmda {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn schedule(&self, instance: &Instance<'_>) -> Result<Schedule> {
        let graph = instance.graph();
        let mut ready_from: Vec<f64> = graph.tasks().iter().map(|task| task.release).collect();
        let mut waiting = ReadyTasks::new(graph);
        // As the bits of a number that is not below 0, which are ordered as the numbers.
        let entry = |task: usize, from: f64| Reverse((from.max(0.0).to_bits(), task));
        let sources = waiting.sources().into_iter();
        let mut queue: BinaryHeap<_> = sources.map(|task| entry(task, ready_from[task])).collect();
        let mut partial = PartialSchedule::new(instance);
        while let Some(Reverse((_, task))) = queue.pop() {
            let fits = (0..instance.workers()).map(|worker| partial.fit_behind(task, worker));
            let Some(best) = least(fits, |fit| [fit.finish]) else { break };
            for edge in graph.outgoing(task) {
                ready_from[edge.to] = ready_from[edge.to].max(best.finish);
            }
            partial.place(best);
            let ready = waiting.complete(task).into_iter();
            queue.extend(ready.map(|task| entry(task, ready_from[task])));
        }
        partial.finish()
    }
}
