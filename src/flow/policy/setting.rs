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

/// The workers of a run, their speeds and cache groups, and what is known of tasks and messages on them.
///
/// The pool has equal workers, knows their cache groups if they are pinned, and of messages nothing; the simulator of networks has workers with speeds; runs of
/// [`scheduling`](crate::scheduling) know all. A setting is cheap to clone.
#[derive(Clone, Debug)]
pub struct Setting {
    speeds: Arc<[f64]>,
    /// By worker; empty where all are of one group.
    groups: Arc<[usize]>,
    costs: Option<Arc<dyn TaskCosts>>,
}

/// The same speeds and groups, and the very same costs.
impl PartialEq for Setting {
    fn eq(&self, other: &Self) -> bool {
        let same_costs = match (&self.costs, &other.costs) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        same_costs && self.speeds == other.speeds && self.groups == other.groups
    }
}

impl Setting {
    /// Workers of speed 1.
    pub fn equal(workers: usize) -> Self {
        Self::with_speeds(&vec![1.0; workers])
    }

    /// Workers that are so many times as fast as one of speed 1.
    pub fn with_speeds(speeds: &[f64]) -> Self {
        Self { speeds: speeds.into(), groups: Arc::default(), costs: None }
    }

    /// Says in which cache group each worker is: those of one group share a cache, and hand over to each other faster than to
    /// others. Without it, or with another number of groups than of workers, all are of one group.
    ///
    /// ```
    /// use caudal::flow::policy::Setting;
    ///
    /// let setting = Setting::equal(4).with_groups(&[0, 0, 1, 1]);
    /// assert_eq!((setting.group(1), setting.group(2), setting.group_count()), (0, 1, 2));
    /// assert_eq!(Setting::equal(4).group_count(), 1);
    /// ```
    #[must_use]
    pub fn with_groups(self, groups: &[usize]) -> Self {
        // By the order in which they first appear, so that equal groupings are equal.
        let mut known = Vec::new();
        let numbered = groups.iter().map(|group| {
            known.iter().position(|other| other == group).unwrap_or_else(|| {
                known.push(*group);
                known.len() - 1
            })
        });
        let groups: Vec<usize> = numbered.collect();
        let is_one = known.len() < 2 || groups.len() != self.speeds.len();
        Self { groups: if is_one { Arc::default() } else { groups.into() }, ..self }
    }

    /// The number of a worker's cache group, from 0.
    pub fn group(&self, worker: usize) -> usize {
        self.groups.get(worker).copied().unwrap_or(0)
    }

    /// How many cache groups the workers are in.
    pub fn group_count(&self) -> usize {
        self.groups.iter().max().map_or(1, |last| last + 1)
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
