//! Schedules: which worker runs which task from when to when.

use super::Instance;
use crate::error::{Error, Result};

/// Where and when a task runs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Placement {
    /// The task's number.
    pub task: usize,
    /// The worker that runs it, and that gets and sends its messages.
    pub worker: usize,
    /// The other workers that it keeps busy, where it needs several.
    pub others: Vec<usize>,
    /// When it starts, in seconds.
    pub start: f64,
    /// When it ends, in seconds.
    pub finish: f64,
}

impl Placement {
    /// A task on one worker.
    pub fn new(task: usize, worker: usize, start: f64, finish: f64) -> Self {
        Self { task, worker, others: Vec::new(), start, finish }
    }

    /// All workers that the task keeps busy.
    pub fn workers(&self) -> impl Iterator<Item = usize> + '_ {
        std::iter::once(self.worker).chain(self.others.iter().copied())
    }
}

/// A schedule of all tasks of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// By task.
    placements: Vec<Placement>,
}

impl Schedule {
    /// A schedule of these placements, one for each task of a graph, in the order of tasks. [`check`](Self::check) says
    /// whether it can be.
    pub fn new(placements: Vec<Placement>) -> Self {
        Self { placements }
    }

    /// The placements, in the order of tasks.
    pub fn placements(&self) -> &[Placement] {
        &self.placements
    }

    /// When the last task ends, in seconds.
    pub fn makespan(&self) -> f64 {
        self.placements.iter().map(|placement| placement.finish).fold(0.0, f64::max)
    }

    /// By worker: its placements by their start.
    pub fn by_worker(&self, workers: usize) -> Vec<Vec<&Placement>> {
        let mut lists = vec![Vec::new(); workers];
        for placement in &self.placements {
            for worker in placement.workers().filter(|&worker| worker < workers) {
                lists[worker].push(placement);
            }
        }
        for list in &mut lists {
            // Tasks that take no time stand before what starts as they end.
            let key = |it: &Placement| (it.start, it.finish);
            list.sort_by(|a, b| {
                let ((start, end), (other_start, other_end)) = (key(a), key(b));
                start.total_cmp(&other_start).then(end.total_cmp(&other_end))
            });
        }
        lists
    }

    /// Whether the schedule keeps all rules: each task has one placement, on workers that there are and as many as it
    /// needs, as long as it takes there, not before its release and the messages to it; and no worker has two tasks at a
    /// time. Times may be off by a billionth of the makespan.
    ///
    /// # Errors
    /// The first rule that is broken, with the tasks.
    pub fn check(&self, instance: &Instance<'_>) -> Result<()> {
        let graph = instance.graph();
        let refuse = |problem: String| {
            Err(Error::Graph {
                graph: graph.name().to_owned(),
                problem: format!("the schedule is wrong: {problem}"),
                remedy: "correct the policy that made it".to_owned(),
            })
        };
        let count = graph.task_count();
        if self.placements.len() != count {
            return refuse(format!("{} of {count} tasks are placed", self.placements.len()));
        }
        let slack = 1e-9 * self.makespan();
        let name = |task: usize| crate::data::escaped(&graph.tasks()[task].name);
        for (task, placement) in self.placements.iter().enumerate() {
            let (described, own) = (&graph.tasks()[task], name(task));
            if placement.task != task {
                return refuse(format!("the place of task `{own}` has task {}", placement.task));
            }
            let mut workers: Vec<usize> = placement.workers().collect();
            workers.sort_unstable();
            workers.dedup();
            if workers.len() != described.workers || placement.others.len() + 1 != workers.len() {
                let given = placement.others.len() + 1;
                return refuse(format!(
                    "task `{own}` needs {} different workers and has {given}",
                    described.workers
                ));
            }
            if let Some(worker) = workers.iter().find(|&&worker| worker >= instance.workers()) {
                return refuse(format!("task `{own}` is on worker {worker}, which is not there"));
            }
            let takes = workers.iter().map(|&it| instance.seconds(task, it)).fold(0.0, f64::max);
            let (start, finish) = (placement.start, placement.finish);
            // Not so written to refuse what is not a number as well.
            let lasts = (finish - start - takes).abs() <= slack;
            if !lasts {
                return refuse(format!(
                    "task `{own}` is placed from {start} to {finish}, and takes {takes}"
                ));
            }
            if start < described.release - slack {
                return refuse(format!(
                    "task `{own}` starts at {start} and is released at {}",
                    described.release
                ));
            }
            for edge in graph.incoming(task) {
                let before = &self.placements[edge.from];
                let (from, to) = (before.worker, placement.worker);
                if from >= instance.workers() {
                    continue;
                }
                let ready = before.finish + instance.transfer_seconds(edge, from, to);
                if start < ready - slack {
                    return refuse(format!(
                        "task `{own}` starts at {start}, and the message of `{}` comes at {ready}",
                        name(edge.from)
                    ));
                }
            }
        }
        for (worker, list) in self.by_worker(instance.workers()).into_iter().enumerate() {
            for pair in list.windows(2) {
                if pair[1].start < pair[0].finish - slack {
                    return refuse(format!(
                        "worker {worker} has `{}` until {} and `{}` from {}",
                        name(pair[0].task),
                        pair[0].finish,
                        name(pair[1].task),
                        pair[1].start
                    ));
                }
            }
        }
        Ok(())
    }
}
