//! What is left of a run in which nothing is ready and nothing runs.

use super::graph::TaskGraph;
use super::index::SlotIndex;

/// The tasks that still wait, with the messages that they lack; `came` says whether a port's message has come.
pub(super) fn waiting(graph: &TaskGraph, came: impl Fn(SlotIndex) -> bool) -> Vec<String> {
    let mut waiting = Vec::new();
    for task in graph.indices() {
        let ports = graph.tasks[task].in_degree as usize;
        let slots = graph.tasks[task].slots().map(SlotIndex::new);
        let lacks: Vec<SlotIndex> = slots.filter(|&slot| !came(slot)).collect();
        if lacks.is_empty() && ports > 0 {
            waiting.push(format!("{} has all its messages but never ran", graph.task_name(task)));
            continue;
        }
        if lacks.len() == ports {
            continue;
        }
        let senders = graph
            .indices()
            .filter(|&sender| graph.edges_of(sender).iter().any(|edge| lacks.contains(&edge.slot)));
        let senders: Vec<String> = senders.map(|sender| graph.task_name(sender)).collect();
        waiting.push(format!(
            "{} lacks the message from {}",
            graph.task_name(task),
            senders.join(", ")
        ));
    }
    if waiting.is_empty() {
        waiting.push("a task without messages that never ran".to_owned());
    }
    waiting
}
