//! Graphs of tasks with costs, and of edges with what travels along them.

use std::ops::Range;

use super::WeightedGraphBuilder;
use crate::setters::setters;

/// A task: what it takes, and from when on it may start.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WeightedTask {
    /// Its name, of which there is one in a graph.
    pub name: String,
    /// Seconds that it takes on a worker of speed 1.
    pub cost: f64,
    /// On unrelated machines: the seconds that it takes on each worker, whatever its speed; empty on others.
    pub costs: Vec<f64>,
    /// Seconds from the beginning before which it can't start.
    pub release: f64,
    /// How many workers it keeps busy at the same time, each as long as it takes on the slowest of them.
    pub workers: usize,
}

impl WeightedTask {
    setters! {
        release: f64,
        workers: usize,
    }

    /// A task of so many seconds on a worker of speed 1.
    pub fn new(name: impl Into<String>, cost: f64) -> Self {
        Self { name: name.into(), cost, costs: Vec::new(), release: 0.0, workers: 1 }
    }

    /// A task that takes so many seconds on each worker; its cost on one of speed 1 is their mean.
    pub fn unrelated(name: impl Into<String>, costs: Vec<f64>) -> Self {
        let mean = costs.iter().sum::<f64>() / costs.len().max(1) as f64;
        Self { costs, ..Self::new(name, mean) }
    }
}

/// What an edge carries from one task to another that runs on another worker.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Communication {
    /// Bytes, which take as long as the link between the two workers needs.
    Bytes(f64),
    /// Seconds between any two workers, as formats give them that know no bytes.
    Seconds(f64),
}

impl Communication {
    /// Its number of bytes; none where seconds are given.
    pub fn bytes(self) -> f64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Seconds(_) => 0.0,
        }
    }

    /// Its number, whatever that counts.
    pub(super) fn amount(self) -> f64 {
        match self {
            Self::Bytes(amount) | Self::Seconds(amount) => amount,
        }
    }
}

/// A dependency: `to` starts when `from` has ended and what the edge carries has come.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct WeightedEdge {
    /// The number of the task that comes first.
    pub from: usize,
    /// The number of the task that waits for it.
    pub to: usize,
    /// What travels.
    pub communication: Communication,
}

impl WeightedEdge {
    /// An edge between the tasks of these numbers.
    pub fn new(from: usize, to: usize, communication: Communication) -> Self {
        Self { from, to, communication }
    }
}

/// A directed acyclic graph of tasks with costs; checked and immutable. Tasks are numbered in the order in which they
/// were given, edges by the numbers of their tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightedGraph {
    pub(super) name: String,
    pub(super) tasks: Vec<WeightedTask>,
    /// By `from`, then by `to`.
    pub(super) edges: Vec<WeightedEdge>,
    /// By task: where its edges begin in `edges`; with the number of edges at the end.
    pub(super) outgoing: Vec<usize>,
    /// The numbers of edges by `to`, and by task where its edges begin there.
    pub(super) by_receiver: Vec<usize>,
    pub(super) incoming: Vec<usize>,
    /// Every task after those that it waits for.
    pub(super) order: Vec<usize>,
}

impl WeightedGraph {
    /// Begins a graph.
    pub fn builder(name: impl Into<String>) -> WeightedGraphBuilder {
        WeightedGraphBuilder::new(name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All tasks.
    pub fn tasks(&self) -> &[WeightedTask] {
        &self.tasks
    }

    /// How many tasks there are; one at least.
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// All edges, by the task that comes first, then by the one that waits.
    pub fn edges(&self) -> &[WeightedEdge] {
        &self.edges
    }

    /// The edges that lead away from a task.
    pub fn outgoing(&self, task: usize) -> &[WeightedEdge] {
        &self.edges[self.outgoing_range(task)]
    }

    fn outgoing_range(&self, task: usize) -> Range<usize> {
        self.outgoing[task]..self.outgoing[task + 1]
    }

    /// The edges that lead to a task.
    pub fn incoming(&self, task: usize) -> impl ExactSizeIterator<Item = &WeightedEdge> {
        let range = self.incoming[task]..self.incoming[task + 1];
        self.by_receiver[range].iter().map(|&edge| &self.edges[edge])
    }

    /// All tasks, each after those that it waits for.
    pub fn topological_order(&self) -> &[usize] {
        &self.order
    }

    /// For how many workers the tasks say what they take, where they say so for each.
    pub fn workers_with_costs(&self) -> Option<usize> {
        self.tasks.iter().map(|task| task.costs.len()).filter(|&count| count > 0).min()
    }

    /// Seconds of all tasks on workers of speed 1, each as often as it keeps workers busy: T1.
    pub fn work(&self) -> f64 {
        self.tasks.iter().map(|task| task.cost * task.workers as f64).sum()
    }
}
