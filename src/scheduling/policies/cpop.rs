//! Critical path on a processor.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{StaticPolicy, StaticPolicySpec, plain};
use crate::error::Result;
use crate::scheduling::{Instance, PartialSchedule, ReadyTasks, Schedule, WeightedGraph};

pub(super) static SPEC: StaticPolicySpec = StaticPolicySpec {
    name: "cpop",
    summary: "the critical path on the one worker that is best at it, other tasks where they end first",
    source: "Topcuoglu, Hariri and Wu: Performance-effective and low-complexity task scheduling for heterogeneous \
             computing, IEEE TPDS 13(3), 2002",
    arguments: &[],
    make: |argument| plain(Cpop, argument),
};

/// Tasks by the length of the longest way through the graph that goes over them, which is the sum of their
/// [upward](Instance::upward_ranks) and [downward](Instance::downward_ranks) ranks: of those that are ready, the one
/// with the longest goes next. The tasks of the critical path all go to the worker that takes the least for them
/// together, others to the one where they end first; gaps are filled (Topcuoglu, Hariri and Wu 2002).
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpop;

impl StaticPolicy for Cpop {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn schedule(&self, instance: &Instance<'_>) -> Result<Schedule> {
        let graph = instance.graph();
        let (upward, downward) = (instance.upward_ranks(), instance.downward_ranks());
        let priorities: Vec<f64> =
            upward.iter().zip(&downward).map(|(up, down)| up + down).collect();
        let mut is_critical = vec![false; graph.task_count()];
        let path = critical_path(graph, &priorities);
        for &task in &path {
            is_critical[task] = true;
        }
        let takes = |worker| path.iter().map(|&task| instance.seconds(task, worker)).sum::<f64>();
        let sums: Vec<f64> = (0..instance.workers()).map(takes).collect();
        let best =
            (1..sums.len()).fold(0, |best, it| if sums[it] < sums[best] { it } else { best });

        // As the bits of a number that is not below 0, which are ordered as the numbers.
        let entry = |task: usize| (priorities[task].to_bits(), Reverse(task));
        let mut ready = ReadyTasks::new(graph);
        let mut queue: BinaryHeap<_> = ready.sources().into_iter().map(entry).collect();
        let mut partial = PartialSchedule::new(instance);
        while let Some((_, Reverse(task))) = queue.pop() {
            partial.place(if is_critical[task] {
                partial.fit(task, best)
            } else {
                partial.earliest_finish(task)
            });
            queue.extend(ready.complete(task).into_iter().map(entry));
        }
        partial.finish()
    }
}

/// From the source with the largest priority on to the successor with the largest, the first of equals.
fn critical_path(graph: &WeightedGraph, priorities: &[f64]) -> Vec<usize> {
    let largest = |tasks: &mut dyn Iterator<Item = usize>| {
        tasks.reduce(|best, task| if priorities[task] > priorities[best] { task } else { best })
    };
    let count = graph.task_count();
    let mut next = largest(&mut (0..count).filter(|&task| graph.incoming(task).len() == 0));
    let mut path = Vec::new();
    while let Some(task) = next {
        path.push(task);
        next = largest(&mut graph.outgoing(task).iter().map(|edge| edge.to));
    }
    path
}
