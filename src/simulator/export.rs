//! What runs here as a graph that others can read.

use super::{PartCosts, Workload};
use crate::error::Result;
use crate::flow::TaskIndex;
use crate::scheduling::{Communication, WeightedGraph, WeightedTask};

/// A workload as a graph of tasks with costs and bytes: a task for each part, called by its task's number and
/// [label](crate::flow::TaskGraph::task_label), and an edge for each of its parts to each of a later task, with the bytes that
/// this reads of that. What parts read that was written in the run before, such as weights, is on no edge.
///
/// ```
/// use caudal::flow::TaskGraphBuilder;
/// use caudal::simulator::{PartCosts, weighted_graph};
///
/// let mut tasks = TaskGraphBuilder::new("two");
/// let first = tasks.task("first", 1.0, &[])?;
/// tasks.task("second", 2.0, &[first])?;
/// let tasks = tasks.build()?;
/// let graph = weighted_graph(&tasks, &PartCosts::even(&tasks, tasks.estimated_costs()))?;
/// assert_eq!((graph.task_count(), graph.edges().len(), graph.work()), (2, 1, 3.0));
/// # Ok::<(), caudal::Error>(())
/// ```
///
/// # Errors
/// If the graph has more parts or pairs of them than a [`WeightedGraph`] may have.
pub fn weighted_graph(work: &(impl Workload + ?Sized), costs: &PartCosts) -> Result<WeightedGraph> {
    let (graph, traffic) = (work.task_graph(), work.traffic());
    let mut weighted = WeightedGraph::builder(graph.name());
    for task in 0..graph.task_count() {
        let (label, parts) = (graph.task_label(task), costs.of_task(task));
        for (number, part) in parts.iter().enumerate() {
            let name = if parts.len() == 1 {
                format!("{task}: {label}")
            } else {
                format!("{task}: {label}, part {} of {}", number + 1, parts.len())
            };
            weighted.task(WeightedTask::new(name, part.mean.max(0.0)))?;
        }
    }
    for from in graph.indices() {
        for to in graph.successors(from).into_iter().map(TaskIndex::new) {
            let (before, after) = (&graph.tasks[from], &graph.tasks[to]);
            for from_part in 0..before.parts {
                for to_part in 0..after.parts {
                    let bytes = traffic.bytes_between((from, from_part), (to, to_part));
                    let (from, to) = (before.place(from_part), after.place(to_part));
                    weighted.edge(from, to, Communication::Bytes(bytes))?;
                }
            }
        }
    }
    weighted.build()
}
