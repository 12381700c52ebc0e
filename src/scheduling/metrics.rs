//! What a schedule is worth.

use serde::Serialize;

use super::{Instance, Schedule};

/// The usual measures of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Metrics {
    /// When the last task ends, in seconds.
    pub makespan: f64,
    /// The schedule length ratio: the makespan over the longest way through the tasks, each on the worker that is best
    /// at it and without messages (Topcuoglu, Hariri and Wu 2002); not below 1.
    pub slr: f64,
    /// What all tasks take one after another on the worker that is best at that, over the makespan.
    pub speedup: f64,
    /// The speedup over the number of workers.
    pub efficiency: f64,
    /// The share of all workers' time in which they run a task.
    pub utilisation: f64,
    /// Bytes that went from one worker to another.
    pub bytes_moved: f64,
    /// Edges between tasks on different workers.
    pub messages: f64,
}

impl Metrics {
    /// The means of several; not a number for none.
    pub(super) fn mean(all: &[Self]) -> Self {
        let mean =
            |number: fn(&Self) -> f64| all.iter().map(number).sum::<f64>() / all.len() as f64;
        Self {
            makespan: mean(|it| it.makespan),
            slr: mean(|it| it.slr),
            speedup: mean(|it| it.speedup),
            efficiency: mean(|it| it.efficiency),
            utilisation: mean(|it| it.utilisation),
            bytes_moved: mean(|it| it.bytes_moved),
            messages: mean(|it| it.messages),
        }
    }
}

impl Schedule {
    /// The usual measures of a schedule.
    ///
    /// # Panics
    /// If the schedule is none of the instance, which [`check`](Self::check) says.
    pub fn metrics(&self, instance: &Instance<'_>) -> Metrics {
        let (graph, workers) = (instance.graph(), instance.workers());
        let (makespan, placements) = (self.makespan(), self.placements());
        let ranks = instance.upward(|task| instance.least_seconds(task), |_| 0.0);
        let longest = ranks.into_iter().fold(0.0, f64::max);
        let alone = |worker| -> f64 {
            let tasks = (0..graph.task_count()).zip(graph.tasks());
            tasks.map(|(task, it)| instance.seconds(task, worker) * it.workers as f64).sum()
        };
        let sequential = (0..workers).map(alone).fold(f64::INFINITY, f64::min);
        let busy: f64 =
            placements.iter().map(|it| (it.finish - it.start) * it.workers().count() as f64).sum();
        let apart = graph.edges().iter();
        let apart = apart.filter(|it| placements[it.from].worker != placements[it.to].worker);
        let (messages, bytes_moved) = apart.fold((0.0, 0.0), |(messages, bytes), edge| {
            (messages + 1.0, bytes + edge.communication.bytes())
        });
        // Tasks that all take nothing are done at once, by whatever schedule.
        let over = |one: f64, other: f64| if one == other { 1.0 } else { one / other };
        let speedup = over(sequential, makespan);
        Metrics {
            makespan,
            slr: over(makespan, longest),
            speedup,
            efficiency: speedup / workers as f64,
            utilisation: if makespan > 0.0 { busy / (makespan * workers as f64) } else { 0.0 },
            bytes_moved,
            messages,
        }
    }
}
