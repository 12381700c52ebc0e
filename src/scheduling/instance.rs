//! A graph on a machine.

use super::platform::{Platform, refuse};
use super::{Communication, WeightedEdge, WeightedGraph};
use crate::error::Result;

/// A graph and the platform that is to run it: what a policy schedules.
#[derive(Clone, Copy, Debug)]
pub struct Instance<'a> {
    graph: &'a WeightedGraph,
    platform: &'a Platform,
}

impl<'a> Instance<'a> {
    /// The graph on the platform.
    ///
    /// # Errors
    /// If tasks say what they take on fewer workers than there are, or if one needs more workers than there are.
    pub fn new(graph: &'a WeightedGraph, platform: &'a Platform) -> Result<Self> {
        let workers = platform.workers();
        if let Some(known) = graph.workers_with_costs().filter(|&known| known < workers) {
            return Err(refuse(
                format!("it has {workers} workers, and graph `{}` costs for {known}", graph.name()),
                format!("take at most {known} workers, or give every task more costs"),
            ));
        }
        if let Some(large) = graph.tasks().iter().find(|task| task.workers > workers) {
            return Err(refuse(
                format!(
                    "task `{}` keeps {} workers busy, and there are {workers}",
                    large.name, large.workers
                ),
                "take more workers",
            ));
        }
        let instance = Self { graph, platform };
        let longest = instance.longest_seconds();
        if !longest.is_finite() {
            return Err(refuse(
                format!(
                    "the tasks and messages of graph `{}` take {longest} seconds",
                    graph.name()
                ),
                "take other units, or faster workers and links",
            ));
        }
        Ok(instance)
    }

    /// The graph on the platform, which fit.
    pub(super) fn known(graph: &'a WeightedGraph, platform: &'a Platform) -> Self {
        Self { graph, platform }
    }

    /// More than any schedule takes that does not idle for nothing.
    fn longest_seconds(&self) -> f64 {
        let slowest = self.platform.speeds().iter().copied().fold(f64::INFINITY, f64::min);
        let (latency, seconds_a_byte) = self.platform.worst_link();
        let tasks = self.graph.tasks().iter().map(|task| {
            let related = if task.costs.is_empty() { task.cost / slowest } else { 0.0 };
            task.costs.iter().copied().fold(related, f64::max) * task.workers as f64 + task.release
        });
        let edges = self.graph.edges().iter().map(|edge| match edge.communication {
            Communication::Seconds(seconds) => seconds,
            Communication::Bytes(bytes) => latency + bytes * seconds_a_byte,
        });
        tasks.sum::<f64>() + edges.sum::<f64>()
    }

    /// The graph.
    pub fn graph(&self) -> &'a WeightedGraph {
        self.graph
    }

    /// The platform.
    pub fn platform(&self) -> &'a Platform {
        self.platform
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.platform.workers()
    }

    /// What a task takes on one worker.
    pub fn seconds(&self, task: usize, worker: usize) -> f64 {
        let task = &self.graph.tasks()[task];
        match task.costs.get(worker) {
            Some(&seconds) => seconds,
            None => task.cost / self.platform.speeds()[worker],
        }
    }

    /// What a task takes in the mean over all workers.
    pub fn mean_seconds(&self, task: usize) -> f64 {
        let workers = self.workers();
        (0..workers).map(|worker| self.seconds(task, worker)).sum::<f64>() / workers as f64
    }

    /// What a task takes on the worker that is best at it.
    pub fn least_seconds(&self, task: usize) -> f64 {
        (0..self.workers()).map(|it| self.seconds(task, it)).fold(f64::INFINITY, f64::min)
    }

    /// What an edge takes if its tasks run on these workers: nothing on one worker, otherwise the seconds that it says,
    /// or latency and bytes over bandwidth of the link.
    pub fn transfer_seconds(&self, edge: &WeightedEdge, from: usize, to: usize) -> f64 {
        if from == to {
            return 0.0;
        }
        match edge.communication {
            Communication::Seconds(seconds) => seconds,
            Communication::Bytes(bytes) => {
                let link = self.platform.link(from, to);
                link.latency + bytes / link.bandwidth
            }
        }
    }

    /// What an edge takes in the mean over all pairs of two workers; nothing where there is one worker.
    pub fn mean_transfer(&self, edge: &WeightedEdge) -> f64 {
        match edge.communication {
            _ if self.workers() == 1 => 0.0,
            Communication::Seconds(seconds) => seconds,
            Communication::Bytes(bytes) => {
                let (latency, seconds_a_byte) = self.platform.mean_link();
                latency + bytes * seconds_a_byte
            }
        }
    }

    /// By task: the longest way from its start to the end of the graph, over mean seconds of tasks and edges (Topcuoglu,
    /// Hariri and Wu 2002, equation 3).
    pub fn upward_ranks(&self) -> Vec<f64> {
        self.upward(|task| self.mean_seconds(task), |edge| self.mean_transfer(edge))
    }

    /// By task: the longest way from the beginning of the graph to its start, over mean seconds of tasks and edges
    /// (Topcuoglu, Hariri and Wu 2002, equation 5).
    pub fn downward_ranks(&self) -> Vec<f64> {
        self.downward(|task| self.mean_seconds(task), |edge| self.mean_transfer(edge))
    }

    /// Upward ranks over seconds of one's own.
    pub fn upward(
        &self,
        seconds: impl Fn(usize) -> f64,
        transfer: impl Fn(&WeightedEdge) -> f64,
    ) -> Vec<f64> {
        let mut ranks = vec![0.0; self.graph.task_count()];
        for &task in self.graph.topological_order().iter().rev() {
            let ways = self.graph.outgoing(task).iter().map(|it| transfer(it) + ranks[it.to]);
            ranks[task] = seconds(task) + ways.fold(0.0, f64::max);
        }
        ranks
    }

    /// Downward ranks over seconds of one's own; tasks that are released later start no earlier.
    pub fn downward(
        &self,
        seconds: impl Fn(usize) -> f64,
        transfer: impl Fn(&WeightedEdge) -> f64,
    ) -> Vec<f64> {
        let mut ranks = vec![0.0; self.graph.task_count()];
        for &task in self.graph.topological_order() {
            let ways = self.graph.incoming(task).map(|edge| {
                let before = edge.from;
                ranks[before] + seconds(before) + transfer(edge)
            });
            ranks[task] = ways.fold(self.graph.tasks()[task].release, f64::max);
        }
        ranks
    }

    /// All tasks by a priority, the largest first; among equals, in topological order.
    pub fn by_priority(&self, priorities: &[f64]) -> Vec<usize> {
        let mut tasks = self.graph.topological_order().to_vec();
        tasks.sort_by(|&a, &b| priorities[b].total_cmp(&priorities[a]));
        tasks
    }
}
