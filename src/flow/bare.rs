//! Bare graphs of tasks, for scheduling without anything to compute.

use super::graph::{Edge, PhaseSpec, TaskGraph, Work};
use super::index::{MOST, NodeIndex, SlotIndex, TaskIndex};
use crate::error::{Error, Result};

static PHASES: &[PhaseSpec] = &[PhaseSpec { name: "task", stage: 0 }];

/// Builds a [`TaskGraph`] of tasks with durations and dependencies, and nothing to compute.
///
/// ```
/// use caudal::flow::TaskGraphBuilder;
/// use caudal::flow::policy::policy;
/// use caudal::simulator::{PartCosts, Machine, Options, simulate};
///
/// let mut tasks = TaskGraphBuilder::new("diamond");
/// let first = tasks.task("first", 1.0, &[])?;
/// let left = tasks.task("left", 2.0, &[first])?;
/// let right = tasks.task("right", 3.0, &[first])?;
/// tasks.task("last", 1.0, &[left, right])?;
/// let graph = tasks.build()?;
/// let costs = PartCosts::even(&graph, graph.estimated_costs());
/// let mut policy = policy("critical-path")?;
/// let machine = Machine::ideal(2);
/// let simulated = simulate(&graph, policy.as_mut(), &machine, &costs, Options::default())?;
/// assert_eq!(simulated.makespan, 5.0);
/// # Ok::<(), caudal::Error>(())
/// ```
#[derive(Debug)]
pub struct TaskGraphBuilder {
    graph: TaskGraph,
    sent: Vec<(TaskIndex, Edge)>,
}

impl TaskGraphBuilder {
    /// A graph called `name` without a task.
    pub fn new(name: impl Into<String>) -> Self {
        Self { graph: TaskGraph::new(name, PHASES), sent: Vec::new() }
    }

    /// Adds a task of so many seconds that waits for the tasks in `after`, and gives its number.
    ///
    /// # Errors
    /// If the duration is no number of seconds, or if a task in `after` has not been added yet.
    pub fn task(
        &mut self,
        name: impl Into<String>,
        seconds: f64,
        after: &[usize],
    ) -> Result<usize> {
        let (name, number) = (name.into(), self.graph.tasks.len());
        let refuse = |problem: String, remedy: &str| Err(Error::node(&name, problem, remedy));
        if !(seconds.is_finite() && seconds >= 0.0) {
            return refuse(format!("it takes {seconds} seconds"), "give it 0 or more");
        }
        if let Some(later) = after.iter().find(|&&before| before >= number) {
            return refuse(
                format!("it waits for task {later}, but there are {number} before it"),
                "add tasks before those that wait for them",
            );
        }
        let mut after = after.to_vec();
        after.sort_unstable();
        after.dedup();
        if number.max(self.graph.slots + after.len()) >= MOST {
            return refuse(
                format!("a graph has fewer than {MOST} tasks and messages"),
                "divide it into several graphs",
            );
        }
        let work = Work { node: NodeIndex::new(number), phase: 0 };
        let task = self.graph.add_task(work, 1, after.len(), seconds);
        let slots = self.graph.tasks[task].slots().map(SlotIndex::new);
        let before = after.into_iter().map(TaskIndex::new);
        self.sent.extend(
            before.zip(slots).map(|(before, slot)| (before, Edge { task, slot, value: None })),
        );
        self.graph.nodes.push(name);
        Ok(number)
    }

    /// The graph, whose tasks have the numbers given here.
    ///
    /// # Errors
    /// If there is no task.
    pub fn build(mut self) -> Result<TaskGraph> {
        if self.graph.tasks.is_empty() {
            return Err(Error::Graph {
                graph: self.graph.name,
                problem: "it has no task".to_owned(),
                remedy: "add at least one".to_owned(),
            });
        }
        self.graph.connect(self.sent);
        Ok(self.graph)
    }
}

impl TaskGraph {
    /// The same tasks, with parts and estimates, none of which waits for any.
    pub(crate) fn without_messages(&self) -> Self {
        let mut graph = Self::new(self.name(), self.phases);
        graph.nodes.clone_from(&self.nodes);
        for task in self.indices() {
            let (work, parts) = (self.first_work(task), self.tasks[task].parts);
            let added = graph.add_task(work, parts, 0, self.costs[task]);
            graph.tasks[added].unknown_cost = self.tasks[task].unknown_cost;
        }
        graph.connect(Vec::new());
        graph
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_messages_than_can_be_told_apart_are_refused() {
        let mut tasks = TaskGraphBuilder::new("large");
        let first = tasks.task("first", 1.0, &[]).unwrap();
        tasks.graph.slots = MOST - 2;
        tasks.task("fits", 1.0, &[first]).unwrap();
        let error = tasks.task("one too many", 1.0, &[first]).unwrap_err().to_string();
        assert!(
            error.contains("`one too many`") && error.contains("fewer than 4294967295"),
            "{error}"
        );
    }
}
