//! What a run happens on, as far as policies may know it.

use std::fmt;
use std::sync::Arc;

use crate::flow::graph::TaskGraph;

/// What tasks and messages take on each worker, where somebody knows that. Tasks are numbered as in the graph.
pub trait TaskCosts: fmt::Debug + Send + Sync {
    /// Seconds that a task takes on a worker.
    fn seconds(&self, task: usize, worker: usize) -> f64;

    /// Bytes that one task sends to another that waits for it.
    fn bytes(&self, from: usize, to: usize) -> f64;

    /// Seconds that this message takes from one worker to another; none within one.
    fn message_seconds(&self, from: usize, to: usize, sender: usize, receiver: usize) -> f64;

    /// Seconds that it takes in the mean over all pairs of different workers.
    fn mean_message_seconds(&self, from: usize, to: usize) -> f64;
}

/// The workers of a run, their speeds, and what is known of tasks and messages on them.
///
/// The pool has equal workers, and knows of messages nothing; the simulator of networks has workers with speeds; runs of
/// [`scheduling`](crate::scheduling) know all. A setting is cheap to clone.
#[derive(Clone, Debug)]
pub struct Setting {
    speeds: Arc<[f64]>,
    costs: Option<Arc<dyn TaskCosts>>,
}

/// The same speeds, and the very same costs.
impl PartialEq for Setting {
    fn eq(&self, other: &Self) -> bool {
        let same_costs = match (&self.costs, &other.costs) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        same_costs && self.speeds == other.speeds
    }
}

impl Setting {
    /// Workers of speed 1.
    pub fn equal(workers: usize) -> Self {
        Self::with_speeds(&vec![1.0; workers])
    }

    /// Workers that are so many times as fast as one of speed 1.
    pub fn with_speeds(speeds: &[f64]) -> Self {
        Self { speeds: speeds.into(), costs: None }
    }

    /// Says what tasks and messages take.
    #[must_use]
    pub fn with_costs(self, costs: Arc<dyn TaskCosts>) -> Self {
        Self { costs: Some(costs), ..self }
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.speeds.len()
    }

    /// How many times as fast as one of speed 1 a worker is.
    pub fn speed(&self, worker: usize) -> f64 {
        self.speeds[worker]
    }

    /// What is known of tasks and messages, if anything is.
    pub fn costs(&self) -> Option<&dyn TaskCosts> {
        self.costs.as_deref()
    }

    /// Seconds that all parts of a task take on a worker: as the costs say, or by the graph's estimate and the worker's
    /// speed.
    pub fn seconds(&self, graph: &TaskGraph, task: usize, worker: usize) -> f64 {
        self.seconds_of(graph.estimated_costs()[task], task, worker)
    }

    /// The same where a task takes so many seconds on a worker of speed 1.
    pub(super) fn seconds_of(&self, alone: f64, task: usize, worker: usize) -> f64 {
        match &self.costs {
            Some(costs) => costs.seconds(task, worker),
            None => alone / self.speeds[worker],
        }
    }

    /// Bytes that one task sends to another; 0 where nobody knows.
    pub fn bytes(&self, from: usize, to: usize) -> f64 {
        self.costs().map_or(0.0, |costs| costs.bytes(from, to))
    }

    /// Seconds that a message from one task to another takes between these workers; 0 where nobody knows.
    pub fn message_seconds(&self, from: usize, to: usize, sender: usize, receiver: usize) -> f64 {
        self.costs().map_or(0.0, |costs| costs.message_seconds(from, to, sender, receiver))
    }
}
