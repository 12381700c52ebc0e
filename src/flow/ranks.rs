//! The longest ways through a graph of tasks.

use super::graph::TaskGraph;
use super::index::TaskIndex;

impl TaskGraph {
    /// Upward ranks over the given seconds a task: the longest way from a task's start to the end
    /// of the run (Topcuoglu, Hariri and Wu 2002, without communication costs).
    pub fn upward_ranks(&self, costs: &[f64]) -> Vec<f64> {
        self.ranks_with_messages(costs, |_, _| 0.0)
    }

    /// The same where each message, from one task to another, takes so many seconds.
    pub(crate) fn ranks_with_messages(
        &self,
        costs: &[f64],
        message: impl Fn(TaskIndex, TaskIndex) -> f64,
    ) -> Vec<f64> {
        self.ranks_within(costs, |_| 0, message).into_iter().map(|(_, rank)| rank).collect()
    }

    /// By task: its group, and the longest way from its start to the end of that, messages included.
    pub(crate) fn ranks_within(
        &self,
        costs: &[f64],
        group: impl Fn(TaskIndex) -> u8,
        message: impl Fn(TaskIndex, TaskIndex) -> f64,
    ) -> Vec<(u8, f64)> {
        let mut ranks = vec![(0, 0.0f64); self.tasks.len()];
        for task in self.indices().rev() {
            let own = group(task);
            let tail = self
                .edges_of(task)
                .iter()
                .filter(|edge| ranks[edge.task].0 == own)
                .map(|edge| ranks[edge.task].1 + message(task, edge.task))
                .fold(0.0, f64::max);
            ranks[task] = (own, costs[task] + tail);
        }
        ranks
    }

    /// T1 / T∞ by estimates: how many workers could have work all the time. None, where nobody knows what the
    /// tasks take.
    pub(super) fn parallelism(&self) -> Option<f64> {
        if self.tasks.iter().any(|task| task.unknown_cost) {
            return None;
        }
        let longest: Vec<f64> = self.indices().map(|task| self.part_seconds(task)).collect();
        let way = self.upward_ranks(&longest).into_iter().fold(0.0, f64::max);
        // Tasks that take no time hold nobody up.
        Some(if way > 0.0 { self.costs.iter().sum::<f64>() / way } else { f64::INFINITY })
    }

    /// The tasks along the longest way through the graph, first to last, and its length in seconds,
    /// given the seconds of every task.
    pub fn critical_path(&self, costs: &[f64]) -> (Vec<usize>, f64) {
        let ranks = self.upward_ranks(costs);
        let longest = |tasks: &mut dyn Iterator<Item = TaskIndex>| {
            tasks.fold(None, |best: Option<TaskIndex>, task| match best {
                Some(other) if ranks[other] >= ranks[task] => Some(other),
                _ => Some(task),
            })
        };
        let mut path = Vec::new();
        let mut next = longest(&mut self.sources.iter().copied());
        let length = next.map_or(0.0, |task| ranks[task]);
        while let Some(task) = next {
            path.push(task.index());
            next = longest(&mut self.edges_of(task).iter().map(|edge| edge.task));
        }
        (path, length)
    }
}
