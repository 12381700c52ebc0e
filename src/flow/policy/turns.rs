//! A graph's parts under a policy whose workers take turns, without a run.

use super::{Policy, ReadyPart};
use crate::flow::graph::TaskGraph;

/// Lets `workers` workers take parts of `graph` from `policy` in turn, `first` before all others, and end each
/// at once; `took` is told of each part and its worker. The policy has begun, and holds nothing.
pub(super) fn take_turns(
    graph: &TaskGraph,
    policy: &mut dyn Policy,
    workers: usize,
    first: usize,
    mut took: impl FnMut(ReadyPart, usize),
) {
    let mut missing: Vec<u32> = graph.tasks.iter().map(|task| task.in_degree).collect();
    let mut parts_left: Vec<u32> = graph.tasks.iter().map(|task| task.parts).collect();
    let mut ready = graph.sources.clone();
    // Who makes the sources ready is the caller.
    let mut by = 0;
    for turn in first.. {
        let worker = turn % workers;
        for task in ready.drain(..) {
            for part in 0..graph.tasks[task].parts {
                policy.push(ReadyPart { task, part }, by);
            }
        }
        by = worker;
        let Some(part) = policy.pop(worker) else { return };
        took(part, worker);
        policy.done(part, worker);
        let task = part.task;
        parts_left[task] -= 1;
        if parts_left[task] == 0 {
            for edge in graph.edges_of(task) {
                missing[edge.task] -= 1;
                if missing[edge.task] == 0 {
                    ready.push(edge.task);
                }
            }
        }
    }
}
