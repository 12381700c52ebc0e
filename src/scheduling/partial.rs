//! A schedule that grows task by task.

use super::{Instance, Placement, Schedule};
use crate::error::{Error, Result};
use crate::flow::policy::Gaps;

/// A schedule of some of the tasks, and the gaps that it leaves: what list scheduling works on.
///
/// A policy asks where a task would [fit](Self::fit) on each worker, and [places](Self::place) it at one of the answers,
/// every task after those that it waits for.
#[derive(Clone, Debug)]
pub struct PartialSchedule<'a> {
    instance: Instance<'a>,
    /// By worker: when it has nothing to do.
    gaps: Vec<Gaps>,
    /// By worker: when the last of its tasks ends.
    free_from: Vec<f64>,
    /// By task.
    placements: Vec<Option<Placement>>,
}

impl<'a> PartialSchedule<'a> {
    /// Nothing is placed.
    pub fn new(instance: &Instance<'a>) -> Self {
        let workers = instance.workers();
        Self {
            instance: *instance,
            gaps: vec![Gaps::default(); workers],
            free_from: vec![0.0; workers],
            placements: vec![None; instance.graph().task_count()],
        }
    }

    /// Where a task was placed, if it was.
    pub fn placement(&self, task: usize) -> Option<&Placement> {
        self.placements[task].as_ref()
    }

    /// When the last task of a worker ends.
    pub fn free_from(&self, worker: usize) -> f64 {
        self.free_from[worker]
    }

    /// When a task could start on a worker that were free: after its release, and when all messages to it have come
    /// there. Tasks before it that are not placed do not count.
    pub fn data_ready(&self, task: usize, worker: usize) -> f64 {
        let graph = self.instance.graph();
        let comes = graph.incoming(task).filter_map(|edge| {
            let before = self.placement(edge.from)?;
            Some(before.finish + self.instance.transfer_seconds(edge, before.worker, worker))
        });
        comes.fold(graph.tasks()[task].release, f64::max)
    }

    /// Where a task ends first if `worker` runs it: in the first gap between two others that is long enough, or behind
    /// all of them. Where it needs several workers, the others are those that are free first, and all of them run it
    /// behind whatever they have.
    pub fn fit(&self, task: usize, worker: usize) -> Placement {
        if self.instance.graph().tasks()[task].workers > 1 {
            return self.fit_behind(task, worker);
        }
        let takes = self.instance.seconds(task, worker);
        let start = self.gaps[worker].earliest(self.data_ready(task, worker), takes);
        Placement::new(task, worker, start, start + takes)
    }

    /// As [`fit`](Self::fit), behind all tasks that the worker has.
    pub fn fit_behind(&self, task: usize, worker: usize) -> Placement {
        let needed = self.instance.graph().tasks()[task].workers;
        let mut placement = Placement::new(task, worker, 0.0, 0.0);
        if needed > 1 {
            let others = (0..self.instance.workers()).filter(|&other| other != worker);
            let mut others: Vec<usize> = others.collect();
            others.sort_by(|&a, &b| self.free_from[a].total_cmp(&self.free_from[b]));
            others.truncate(needed - 1);
            placement.others = others;
        }
        let free = placement.workers().map(|it| self.free_from[it]).fold(0.0, f64::max);
        let takes = placement.workers().map(|it| self.instance.seconds(task, it));
        let takes = takes.fold(0.0, f64::max);
        placement.start = free.max(self.data_ready(task, worker));
        placement.finish = placement.start + takes;
        placement
    }

    /// Where a task ends first of all workers, the first of equals.
    pub fn earliest_finish(&self, task: usize) -> Placement {
        let mut best = self.fit(task, 0);
        for worker in 1..self.instance.workers() {
            let other = self.fit(task, worker);
            if other.finish < best.finish {
                best = other;
            }
        }
        best
    }

    /// Takes the time of a placement that [`fit`](Self::fit) or [`fit_behind`](Self::fit_behind) has given, and that
    /// nothing was placed since to stand in the way of.
    pub fn place(&mut self, placement: Placement) {
        let takes = placement.finish - placement.start;
        for worker in placement.workers() {
            self.gaps[worker].fill(placement.start, takes);
            self.free_from[worker] = self.free_from[worker].max(placement.finish);
        }
        let task = placement.task;
        self.placements[task] = Some(placement);
    }

    /// The schedule, once every task is placed.
    ///
    /// # Errors
    /// If one is not.
    pub fn finish(self) -> Result<Schedule> {
        let graph = self.instance.graph();
        let missing = self.placements.iter().position(Option::is_none);
        match missing {
            None => Ok(Schedule::new(self.placements.into_iter().flatten().collect())),
            Some(task) => Err(Error::Graph {
                graph: graph.name().to_owned(),
                problem: format!("task `{}` was not scheduled", graph.tasks()[task].name),
                remedy: "correct the policy, which has to place every task".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduling::{Communication, Platform, WeightedGraph, WeightedTask};

    #[test]
    fn tasks_fill_gaps_that_are_long_enough() {
        let mut graph = WeightedGraph::builder("gaps");
        for (name, cost) in [("first", 1.0), ("last", 1.0), ("long", 4.0), ("short", 3.0)] {
            graph.task(WeightedTask::new(name, cost)).unwrap();
        }
        graph.task(WeightedTask::new("wide", 1.0).workers(2_usize)).unwrap();
        graph.task(WeightedTask::new("late", 1.0).release(20.0)).unwrap();
        graph.edge(0, 1, Communication::Seconds(3.0)).unwrap();
        let graph = graph.build().unwrap();
        let platform = Platform::with_speeds(vec![1.0, 2.0]).unwrap();
        let instance = Instance::new(&graph, &platform).unwrap();
        let mut partial = PartialSchedule::new(&instance);
        let place = |partial: &mut PartialSchedule<'_>, placement: Placement| {
            let (start, finish) = (placement.start, placement.finish);
            partial.place(placement);
            (start, finish)
        };
        let fit = partial.fit(0, 0);
        assert_eq!(place(&mut partial, fit), (0.0, 1.0));
        // The message takes three seconds, the task half a second at twice the speed.
        let fit = partial.fit(1, 1);
        assert_eq!(place(&mut partial, fit), (4.0, 4.5));
        assert_eq!(partial.fit(2, 1).start, 0.0, "two seconds fit before it");
        assert_eq!(partial.fit_behind(2, 1).start, 4.5);
        let fit = partial.earliest_finish(2);
        assert_eq!((fit.worker, place(&mut partial, fit)), (1, (0.0, 2.0)));
        let fit = partial.earliest_finish(3);
        assert_eq!((fit.worker, place(&mut partial, fit)), (1, (2.0, 3.5)));
        let wide = partial.fit(4, 0);
        assert_eq!((wide.others.clone(), wide.start, wide.finish), (vec![1], 4.5, 5.5));
        partial.place(wide);
        let error = partial.clone().finish().unwrap_err().to_string();
        assert!(error.contains("task `late` was not scheduled"), "{error}");
        let fit = partial.earliest_finish(5);
        assert_eq!(place(&mut partial, fit), (20.0, 20.5));
        let schedule = partial.finish().unwrap();
        schedule.check(&instance).unwrap();
        let metrics = schedule.metrics(&instance);
        assert_eq!((metrics.makespan, metrics.messages, metrics.bytes_moved), (20.5, 1.0, 0.0));
        assert_eq!(metrics.utilisation, (1.0 + 0.5 + 2.0 + 1.5 + 2.0 + 0.5) / 41.0);
        assert_eq!(metrics.speedup, 12.0 / 2.0 / 20.5);
        assert_eq!(metrics.slr, 20.5 / 2.0, "the longest task at the best speed");
    }
}
