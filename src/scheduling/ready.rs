//! Tasks that wait for nothing any more.

use super::WeightedGraph;

/// Counts, as tasks are scheduled, which others become ready.
#[derive(Clone, Debug)]
pub struct ReadyTasks<'a> {
    graph: &'a WeightedGraph,
    missing: Vec<usize>,
}

impl<'a> ReadyTasks<'a> {
    /// Nothing is scheduled yet.
    pub fn new(graph: &'a WeightedGraph) -> Self {
        let missing = (0..graph.task_count()).map(|task| graph.incoming(task).len()).collect();
        Self { graph, missing }
    }

    /// The tasks that wait for none that is not done.
    pub fn sources(&self) -> Vec<usize> {
        (0..self.missing.len()).filter(|&task| self.missing[task] == 0).collect()
    }

    /// A task is done: those that this makes ready, by their numbers.
    pub fn complete(&mut self, task: usize) -> Vec<usize> {
        let mut ready = Vec::new();
        for edge in self.graph.outgoing(task) {
            let missing = &mut self.missing[edge.to];
            *missing = missing.saturating_sub(1);
            if *missing == 0 {
                ready.push(edge.to);
            }
        }
        ready
    }
}
