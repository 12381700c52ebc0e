//! Predict earliest finish time.

use super::candidates::{by_readiness, least};
use super::{StaticPolicy, StaticPolicySpec, plain};
use crate::error::Result;
use crate::scheduling::{Instance, PartialSchedule, Schedule};

pub(super) static SPEC: StaticPolicySpec = StaticPolicySpec {
    name: "peft",
    summary: "tasks by what must follow them at the least, each to the worker where it and that end first",
    source: "Arabnejad and Barbosa: List scheduling algorithm for heterogeneous systems by an optimistic cost table, \
             IEEE TPDS 25(3), 2014",
    arguments: &[],
    make: |argument| plain(Peft, argument),
};

/// Weighs what must follow a task by an optimistic cost table (Arabnejad and Barbosa 2014): for task t on worker p,
///
/// ```text
/// OCT(t, p) = max over the successors s of t of
///             min over all workers q of  OCT(s, q) + seconds(s, q) + (0 if q = p, else mean seconds of the message)
/// ```
///
/// (equation 5), so 0 for tasks that nothing follows. Of the ready tasks, the one with the largest mean of its row
/// (equation 6) goes next, of equals the first in topological order. It goes to the worker with the least sum of its
/// finish there, in a gap if it fits, and of OCT (equation 7), of equals the first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peft;

impl Peft {
    /// The optimistic cost table: by task, then by worker, the seconds that must follow it at the least.
    pub fn optimistic_costs(instance: &Instance<'_>) -> Vec<Vec<f64>> {
        let (graph, workers) = (instance.graph(), instance.workers());
        let mut table = vec![vec![0.0; workers]; graph.task_count()];
        for &task in graph.topological_order().iter().rev() {
            let mut row = vec![0.0f64; workers];
            for edge in graph.outgoing(task) {
                let after =
                    |worker: usize| table[edge.to][worker] + instance.seconds(edge.to, worker);
                let elsewhere = (0..workers).map(after).fold(f64::INFINITY, f64::min);
                let elsewhere = elsewhere + instance.mean_transfer(edge);
                for (worker, cost) in row.iter_mut().enumerate() {
                    *cost = cost.max(after(worker).min(elsewhere));
                }
            }
            table[task] = row;
        }
        table
    }
}

impl StaticPolicy for Peft {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn schedule(&self, instance: &Instance<'_>) -> Result<Schedule> {
        let table = Self::optimistic_costs(instance);
        let workers = instance.workers();
        let mean = |row: &Vec<f64>| row.iter().sum::<f64>() / workers as f64;
        let ranks: Vec<f64> = table.iter().map(mean).collect();
        let mut partial = PartialSchedule::new(instance);
        by_readiness(instance.graph(), &instance.by_priority(&ranks), |task| {
            let fits = (0..workers).map(|worker| partial.fit(task, worker));
            let best = least(fits, |fit| [fit.finish + table[task][fit.worker]]);
            if let Some(fit) = best {
                partial.place(fit);
            }
        });
        partial.finish()
    }
}
