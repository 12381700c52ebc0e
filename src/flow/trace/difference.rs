//! What became different from one trace to another.

use std::collections::HashMap;

use serde::Serialize;

use super::Trace;
use super::analysis::{length_ms, work_and_span};
use super::idle_causes::worker_uses;
use crate::statistics::median;

/// What became different from one trace to another. Pairs are of the first and of the second.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// The median length of the executions, in milliseconds.
    pub makespan_ms: [f64; 2],
    /// T1 of the execution of median length, in milliseconds, and its T∞.
    pub work_ms: [f64; 2],
    /// T∞ of that execution, in milliseconds.
    pub critical_path_ms: [f64; 2],
    /// Workers.
    pub workers: [usize; 2],
    /// The share of the workers' time in which they ran parts, in that execution.
    pub busy_share: [f64; 2],
    /// Tasks that both have, those first whose times differ by the most.
    pub tasks: Vec<TaskDifference>,
    /// Tasks that one of the two has alone, by label.
    pub only: [Vec<String>; 2],
    /// Of the pairs of tasks that both have: the share that started in the other order, in the executions of median
    /// length.
    pub reordered_share: f64,
    /// How many of the tasks that both have ran on another worker there: their first parts.
    pub moved: usize,
}

/// A task in two traces.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TaskDifference {
    /// What it does.
    pub label: String,
    /// The median over the executions of what all its parts took, in milliseconds.
    pub ms: [f64; 2],
}

/// What became different from `first` to `second`. Tasks are the same that have the same label; of several with one
/// label, the first is that of the other trace, and so on.
pub fn difference(first: &Trace, second: &Trace) -> Difference {
    let mut numbers: HashMap<(&str, usize), usize> = HashMap::new();
    for (key, number) in keys(second) {
        numbers.insert(key, number);
    }
    let (mut pairs, mut only) = (Vec::new(), [Vec::new(), Vec::new()]);
    for (key, number) in keys(first) {
        match numbers.remove(&key) {
            Some(other) => pairs.push((number, other)),
            None => only[0].push(key.0.to_owned()),
        }
    }
    let mut left: Vec<(usize, &str)> =
        numbers.into_iter().map(|((label, _), number)| (number, label)).collect();
    left.sort_unstable();
    only[1] = left.into_iter().map(|(_, label)| label.to_owned()).collect();
    let seconds = [first, second].map(|trace| trace.graph().estimated_costs());
    let mut tasks: Vec<TaskDifference> = pairs
        .iter()
        .map(|&(a, b)| TaskDifference {
            label: first.tasks()[a].label.clone(),
            ms: [seconds[0][a] * 1e3, seconds[1][b] * 1e3],
        })
        .collect();
    let change = |task: &TaskDifference| (task.ms[1] - task.ms[0]).abs();
    tasks.sort_by(|a, b| change(b).total_cmp(&change(a)));
    let starts = [first, second].map(first_parts);
    let ran: Vec<[(u64, usize); 2]> =
        pairs.iter().filter_map(|&(a, b)| Some([starts[0][a]?, starts[1][b]?])).collect();
    let typical = [first, second].map(|trace| &trace.executions()[trace.typical()]);
    let figures = [0, 1].map(|place| {
        let trace = [first, second][place];
        let mut lengths: Vec<f64> = trace.executions().iter().map(length_ms).collect();
        let (work, span, _) = work_and_span(trace, typical[place]);
        let busy: f64 = worker_uses(typical[place]).iter().map(|it| it.busy_ms).sum();
        let all = length_ms(typical[place]) * typical[place].worker_count() as f64;
        (median(&mut lengths), work, span, if all > 0.0 { busy / all } else { 0.0 })
    });
    Difference {
        makespan_ms: figures.map(|it| it.0),
        work_ms: figures.map(|it| it.1),
        critical_path_ms: figures.map(|it| it.2),
        workers: typical.map(super::Execution::worker_count),
        busy_share: figures.map(|it| it.3),
        tasks,
        only,
        moved: ran.iter().filter(|[a, b]| a.1 != b.1).count(),
        reordered_share: reordered_share(ran.iter().map(|[a, b]| (a.0, b.0)).collect()),
    }
}

/// Every task with its label, and how many before it have the same.
fn keys(trace: &Trace) -> impl Iterator<Item = ((&str, usize), usize)> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    trace.tasks().iter().enumerate().map(move |(number, task)| {
        let count = counts.entry(&task.label).or_default();
        *count += 1;
        ((task.label.as_str(), *count), number)
    })
}

/// By task: when its first part started in the execution of median length, and on which worker.
fn first_parts(trace: &Trace) -> Vec<Option<(u64, usize)>> {
    let mut first = vec![None; trace.tasks().len()];
    for event in &trace.executions()[trace.typical()].events {
        first[event.task].get_or_insert((event.start, event.worker));
    }
    first
}

/// The share of pairs that stand in the other order by their second numbers.
fn reordered_share(mut pairs: Vec<(u64, u64)>) -> f64 {
    let count = pairs.len();
    if count < 2 {
        return 0.0;
    }
    pairs.sort_unstable();
    let mut seconds: Vec<u64> = pairs.into_iter().map(|(_, second)| second).collect();
    let inversions = sort_and_count(&mut seconds);
    inversions as f64 / (count as f64 * (count - 1) as f64 / 2.0)
}

/// Sorts, and says how many pairs stood in the other order.
fn sort_and_count(numbers: &mut [u64]) -> u64 {
    let half = numbers.len() / 2;
    if half == 0 {
        return 0;
    }
    let (left, right) = numbers.split_at_mut(half);
    let mut count = sort_and_count(left) + sort_and_count(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        if left[i] <= right[j] {
            merged.push(left[i]);
            i += 1;
        } else {
            count += (left.len() - i) as u64;
            merged.push(right[j]);
            j += 1;
        }
    }
    merged.extend_from_slice(&left[i..]);
    merged.extend_from_slice(&right[j..]);
    numbers.copy_from_slice(&merged);
    count
}
