//! What is left of a run in which nothing is ready and nothing runs.

use super::graph::TaskGraph;

/// The tasks that still wait, with the messages that they lack; `came` says whether a port's message has come.
pub(super) fn waiting(graph: &TaskGraph, came: impl Fn(usize) -> bool) -> Vec<String> {
    let mut waiting = Vec::new();
    for (index, task) in graph.tasks.iter().enumerate() {
        let slots = task.first_slot as usize..(task.first_slot + task.in_degree) as usize;
        let lacks: Vec<usize> = slots.clone().filter(|&slot| !came(slot)).collect();
        if lacks.is_empty() && !slots.is_empty() {
            waiting.push(format!("{} has all its messages but never ran", graph.task_name(index)));
            continue;
        }
        if lacks.len() == slots.len() {
            continue;
        }
        let senders = (0..graph.tasks.len()).filter(|&sender| {
            graph.edges_of(sender).iter().any(|edge| lacks.contains(&(edge.slot as usize)))
        });
        let senders: Vec<String> = senders.map(|sender| graph.task_name(sender)).collect();
        waiting.push(format!(
            "{} lacks the message from {}",
            graph.task_name(index),
            senders.join(", ")
        ));
    }
    if waiting.is_empty() {
        waiting.push("a task without messages that never ran".to_owned());
    }
    waiting
}
