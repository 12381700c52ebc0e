//! Best imaginary level.

use super::candidates::{Candidate, Candidates, least};
use super::{StaticPolicy, StaticPolicySpec, plain};
use crate::error::Result;
use crate::scheduling::{Instance, Schedule};

pub(super) static SPEC: StaticPolicySpec = StaticPolicySpec {
    name: "bil",
    summary: "the ready task with the longest imaginary makespan, on the worker where that is shortest",
    source: "Oh and Ha: A static scheduling heuristic for heterogeneous processors, Euro-Par 1996",
    arguments: &[],
    make: |argument| plain(Bil, argument),
};

/// The best imaginary level of a task on a worker is what it and all that follows it would take if every worker were
/// always free (Oh and Ha 1996): for task t on worker p,
///
/// ```text
/// BIL(t, p)  = seconds(t, p) + max over the successors s of t of
///              min over all workers q of  BIL(s, q) + (0 if q = p, else seconds of the message from p to q)
/// BIM(t, p)  = start of t on p, behind all that p has, + BIL(t, p)
/// BIM*(t, p) = BIM(t, p) + seconds(t, p) · max(0, k / workers − 1)
/// ```
///
/// where k tasks are ready. The ready task goes next whose k-th least BIM over the workers is largest, or its largest
/// BIM where there are fewer workers than ready tasks: among equals the lower number. It goes to the worker where BIM*
/// is least, the first of equals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bil;

impl StaticPolicy for Bil {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn schedule(&self, instance: &Instance<'_>) -> Result<Schedule> {
        let (levels, workers) = (imaginary_levels(instance), instance.workers());
        let makespan = |it: &Candidate| it.start + levels[it.task][it.worker];
        Candidates::new(instance).place_all(|candidates| {
            let ready = candidates.tasks().len();
            let priority = |&task: &usize| {
                let mut makespans: Vec<f64> = candidates.of(task).map(|it| makespan(&it)).collect();
                makespans.sort_by(f64::total_cmp);
                [-makespans[ready.min(workers) - 1]]
            };
            let task = least(candidates.tasks(), priority)?;
            let share = (ready as f64 / workers as f64 - 1.0).max(0.0);
            least(candidates.of(task), |it| [makespan(it) + it.seconds * share])
        })
    }
}

/// By task, then by worker: the best imaginary level.
fn imaginary_levels(instance: &Instance<'_>) -> Vec<Vec<f64>> {
    let (graph, workers) = (instance.graph(), instance.workers());
    let mut levels = vec![Vec::new(); graph.task_count()];
    for &task in graph.topological_order().iter().rev() {
        let on = |worker: usize| {
            let after = graph.outgoing(task).iter().map(|edge| {
                let level = |to: usize| {
                    let level: &Vec<f64> = &levels[edge.to];
                    level[to] + instance.transfer_seconds(edge, worker, to)
                };
                (0..workers).map(level).fold(f64::INFINITY, f64::min)
            });
            instance.seconds(task, worker) + after.fold(0.0, f64::max)
        };
        levels[task] = (0..workers).map(on).collect();
    }
    levels
}
