//! The longest ways through a plan.

use super::plan::Plan;

impl Plan {
    /// Upward ranks over the given seconds a task: the longest way from a task's start to the end
    /// of the run (Topcuoglu, Hariri and Wu 2002, without communication costs).
    pub fn upward_ranks(&self, costs: &[f64]) -> Vec<f64> {
        let mut ranks = vec![0.0; self.tasks.len()];
        for task in (0..self.tasks.len()).rev() {
            let tail = self.edges[self.tasks[task].successors.range()]
                .iter()
                .map(|edge| ranks[edge.task as usize])
                .fold(0.0, f64::max);
            ranks[task] = costs[task] + tail;
        }
        ranks
    }

    /// The tasks along the longest way through the plan, first to last, and its length in seconds,
    /// given the seconds of every task.
    pub fn critical_path(&self, costs: &[f64]) -> (Vec<usize>, f64) {
        let ranks = self.upward_ranks(costs);
        let longest = |tasks: &mut dyn Iterator<Item = usize>| {
            tasks.fold(None, |best: Option<usize>, task| match best {
                Some(other) if ranks[other] >= ranks[task] => Some(other),
                _ => Some(task),
            })
        };
        let mut path = Vec::new();
        let mut next = longest(&mut self.sources.iter().map(|&task| task as usize));
        let length = next.map_or(0.0, |task| ranks[task]);
        while let Some(task) = next {
            path.push(task);
            let edges = &self.edges[self.tasks[task].successors.range()];
            next = longest(&mut edges.iter().map(|edge| edge.task as usize));
        }
        (path, length)
    }
}
