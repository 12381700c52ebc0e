//! Modified critical path.

use std::cmp::Ordering;

use super::candidates::{by_readiness, least};
use super::{StaticPolicy, StaticPolicySpec, plain};
use crate::error::Result;
use crate::scheduling::{Instance, PartialSchedule, Schedule};

pub(super) static SPEC: StaticPolicySpec = StaticPolicySpec {
    name: "mcp",
    summary: "tasks by their latest start, each to the worker and the gap where it starts first",
    source: "Wu and Gajski: Hypertool: a programming aid for message-passing systems, IEEE TPDS 1(3), 1990",
    arguments: &[],
    make: |argument| plain(Mcp, argument),
};

/// The latest start of a task (ALAP) is the length of the critical path less the longest way from the task to the end
/// of the graph, over mean seconds of tasks and messages. Tasks go in the order of their lists, which have the latest
/// starts of the task and of its successors, the earliest first: compared number by number, and those that are equal in
/// topological order (Wu and Gajski 1990, with the successors in place of all descendants as in Kwok and Ahmad: Static
/// scheduling algorithms for allocating directed task graphs to multiprocessors, ACM Computing Surveys 31(4), 1999).
/// Each goes to the worker where it starts first, in a gap if it fits; of equals, to the one where it ends first, which
/// tells apart workers of different speeds, of which the paper has none; then to the first. A task that takes nothing
/// may have the latest start of what follows it: a task that is not ready waits for those before it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mcp;

impl StaticPolicy for Mcp {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn schedule(&self, instance: &Instance<'_>) -> Result<Schedule> {
        let graph = instance.graph();
        let ranks = instance.upward_ranks();
        let length = ranks.iter().copied().fold(0.0, f64::max);
        let latest: Vec<f64> = ranks.iter().map(|rank| length - rank).collect();
        let lists: Vec<Vec<f64>> = (0..graph.task_count())
            .map(|task| {
                let after = graph.outgoing(task).iter().map(|edge| latest[edge.to]);
                let mut list: Vec<f64> = std::iter::once(latest[task]).chain(after).collect();
                list.sort_by(f64::total_cmp);
                list
            })
            .collect();
        let mut order = graph.topological_order().to_vec();
        // No number among them is not one.
        order.sort_by(|&a, &b| lists[a].partial_cmp(&lists[b]).unwrap_or(Ordering::Equal));
        let mut partial = PartialSchedule::new(instance);
        by_readiness(graph, &order, |task| {
            let fits = (0..instance.workers()).map(|worker| partial.fit(task, worker));
            let best = least(fits, |fit| [fit.start, fit.finish]);
            if let Some(fit) = best {
                partial.place(fit);
            }
        });
        partial.finish()
    }
}
