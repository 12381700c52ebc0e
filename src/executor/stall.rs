//! What is left of a run in which nothing is ready and nothing runs.

use std::sync::atomic::Ordering;

use super::state::RunState;

impl RunState {
    /// The tasks that still wait, with the messages that they lack.
    pub(super) fn waiting(&self) -> Vec<String> {
        let plan = &self.plan;
        let mut waiting = Vec::new();
        for (index, task) in plan.tasks.iter().enumerate() {
            let came = |slot: usize| !self.slots[slot].load(Ordering::Acquire).is_null();
            let slots = task.first_slot as usize..(task.first_slot + task.in_degree) as usize;
            let lacks: Vec<usize> = slots.clone().filter(|&slot| !came(slot)).collect();
            if lacks.is_empty() && !slots.is_empty() {
                let info = plan.task(index);
                let phase = info.phase.name();
                waiting
                    .push(format!("`{}` ({phase}) has all its messages but never ran", info.node));
                continue;
            }
            if lacks.len() == slots.len() {
                continue;
            }
            let info = plan.task(index);
            let senders = plan.tasks.iter().enumerate().filter(|(_, sender)| {
                let edges = &plan.edges[sender.successors.range()];
                edges.iter().any(|edge| lacks.contains(&(edge.slot as usize)))
            });
            let senders: Vec<String> = senders
                .map(|(sender, _)| {
                    let info = plan.task(sender);
                    format!("`{}` ({})", info.node, info.phase.name())
                })
                .collect();
            waiting.push(format!(
                "`{}` ({}) lacks the message from {}",
                info.node,
                info.phase.name(),
                senders.join(", ")
            ));
        }
        if waiting.is_empty() {
            waiting.push("a task without messages that never ran".to_owned());
        }
        waiting
    }
}
