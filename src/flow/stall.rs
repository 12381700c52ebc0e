//! What is left of a run in which nothing is ready and nothing runs.

use super::graph::TaskGraph;
use super::index::{SlotIndex, TaskIndex};

/// The tasks that still wait, with the messages that they lack; `came` says whether a port's message has come.
pub(super) fn waiting(graph: &TaskGraph, came: impl Fn(SlotIndex) -> bool) -> Vec<String> {
    let mut waiting = Vec::new();
    let mut senders: Vec<Vec<TaskIndex>> = vec![Vec::new(); graph.slots];
    for sender in graph.indices() {
        graph.edges_of(sender).iter().for_each(|edge| senders[edge.slot.index()].push(sender));
    }
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
        let mut of_these: Vec<TaskIndex> =
            lacks.iter().flat_map(|slot| &senders[slot.index()]).copied().collect();
        of_these.sort_unstable();
        of_these.dedup();
        let senders: Vec<String> =
            of_these.into_iter().map(|sender| graph.task_name(sender)).collect();
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
