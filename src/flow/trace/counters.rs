//! What there is at each time while a graph runs: memory in use, and parts that are ready.

use super::Execution;
use crate::flow::graph::TaskGraph;
use crate::flow::index::TaskIndex;

/// The bytes of recycled buffers in use from each time on: from the first task that touches a buffer to
/// the end of the last. Small values, and those that outlive a run, have fixed places and do not count.
pub fn live_bytes(graph: &TaskGraph, execution: &Execution) -> Vec<(u64, usize)> {
    let mut spans: Vec<Option<(u64, u64)>> = vec![None; graph.buffers.bytes.len()];
    for event in &execution.events {
        for &buffer in graph.buffers_of(TaskIndex::new(event.task)) {
            let (first, last) = spans[buffer].get_or_insert((event.start, event.end));
            *first = event.start.min(*first);
            *last = event.end.max(*last);
        }
    }
    let mut changes: Vec<(u64, isize)> = Vec::new();
    for (&bytes, span) in graph.buffers.bytes.iter().zip(spans) {
        if let Some((first, last)) = span {
            changes.extend([(first, bytes.cast_signed()), (last, -bytes.cast_signed())]);
        }
    }
    running_sums(changes)
}

/// The parts that are ready and have not begun, from each time on.
pub fn ready_parts(execution: &Execution) -> Vec<(u64, usize)> {
    let events = execution.events.iter();
    running_sums(events.flat_map(|event| [(event.ready, 1), (event.start, -1)]).collect())
}

/// From changes at times, in any order, the sums that hold from each time on.
fn running_sums(mut changes: Vec<(u64, isize)>) -> Vec<(u64, usize)> {
    changes.sort_unstable();
    let mut sums: Vec<(u64, usize)> = Vec::new();
    let mut sum = 0;
    for (time, change) in changes {
        sum += change;
        let value = sum.max(0).cast_unsigned();
        match sums.last_mut() {
            Some((last, held)) if *last == time => *held = value,
            _ => sums.push((time, value)),
        }
    }
    sums
}
