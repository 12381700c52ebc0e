//! The critical path as it was executed: the chain of parts, each of which started late because of the one before.

use std::collections::HashSet;

use serde::Serialize;

use super::{Execution, Trace};
use crate::flow::observer::PartEvent;

/// Why a part did not start earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Cause {
    /// The execution had not begun.
    Begin,
    /// Its task waited for a message of the part before.
    Message,
    /// Its worker ran the part before.
    Worker,
}

/// A part on the critical path as executed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PathStep {
    /// Its task, as in [`Trace::tasks`].
    pub task: usize,
    /// What the task does.
    pub label: String,
    /// The part.
    pub part: usize,
    /// The worker.
    pub worker: usize,
    /// When it started, in milliseconds from the beginning of the execution.
    pub start_ms: f64,
    /// How long it ran, in milliseconds.
    pub run_ms: f64,
    /// Milliseconds from the end of the part before, or from the beginning, to its start.
    pub gap_ms: f64,
    /// Why it did not start earlier.
    pub cause: Cause,
}

/// The parts that an execution waited for, first to last: the one that ended last, before each the one that ended last
/// of those that it waited for, be it for a message of theirs or for its worker.
pub(super) fn executed_path(trace: &Trace, execution: &Execution) -> Vec<PathStep> {
    let events = &execution.events;
    // By event: the one before it on its worker. By task: the event that ended last.
    let mut before: Vec<Option<usize>> = vec![None; events.len()];
    let mut on_worker: Vec<Option<usize>> = vec![None; execution.worker_count()];
    let mut last: Vec<Option<usize>> = vec![None; trace.tasks().len()];
    for (number, event) in events.iter().enumerate() {
        before[number] = on_worker[event.worker].replace(number);
        let last = &mut last[event.task];
        if last.is_none_or(|other: usize| events[other].end <= event.end) {
            *last = Some(number);
        }
    }
    let ended = |number: &usize| events[*number].end;
    let step = |event: &PartEvent, since: u64, cause: Cause| PathStep {
        task: event.task,
        label: trace.tasks()[event.task].label.clone(),
        part: event.part,
        worker: event.worker,
        start_ms: event.start.saturating_sub(execution.began) as f64 / 1e6,
        run_ms: (event.end - event.start) as f64 / 1e6,
        gap_ms: event.start.saturating_sub(since) as f64 / 1e6,
        cause,
    };
    let mut path = Vec::new();
    let mut seen = HashSet::new();
    let mut next = (0..events.len()).max_by_key(ended);
    while let Some(number) = next.filter(|&number| seen.insert(number)) {
        let event = &events[number];
        let after = trace.tasks()[event.task].after.iter();
        let sender = after.filter_map(|&task| last[task]).max_by_key(ended);
        let (cause, earlier) = match (sender, before[number]) {
            (None, None) => (Cause::Begin, None),
            (Some(sender), Some(other)) if ended(&sender) < ended(&other) => {
                (Cause::Worker, Some(other))
            }
            (Some(sender), _) => (Cause::Message, Some(sender)),
            (None, Some(other)) => (Cause::Worker, Some(other)),
        };
        let since = earlier.map_or(execution.began, |earlier| ended(&earlier));
        path.push(step(event, since, cause));
        next = earlier;
    }
    path.reverse();
    path
}
