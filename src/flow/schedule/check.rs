//! Whether a record can be followed to its end.

use super::Event;
use crate::error::count;
use crate::flow::graph::TaskGraph;
use crate::flow::index::TaskIndex;

/// Goes through the recorded events of one run of `graph`: every part starts once, after the tasks before it
/// have ended, and ends once. The ends of the last parts may be missing.
///
/// # Errors
/// The first event that can't be so, by its place in `events`, or the number of events where some are missing, and
/// what is wrong.
pub(super) fn check(
    graph: &TaskGraph,
    workers: usize,
    events: &[Event],
) -> Result<(), (usize, String)> {
    let mut started = vec![false; graph.part_count()];
    let mut ended = started.clone();
    let mut parts_left: Vec<u32> = graph.tasks.iter().map(|task| task.parts).collect();
    let mut messages_left: Vec<u32> = graph.tasks.iter().map(|task| task.in_degree).collect();
    let name = |task: TaskIndex, part: u32| match graph.tasks[task].parts {
        1 => graph.task_name(task),
        parts => format!("part {part} of {parts} of {}", graph.task_name(task)),
    };
    for (at, event) in events.iter().enumerate() {
        let wrong = |problem: String| Err((at, problem));
        let (Event::Start(worker, task, part) | Event::End(worker, task, part)) = *event else {
            return wrong("a run begins within a run".to_owned());
        };
        let found = graph.tasks.get(task as usize).filter(|it| part < it.parts);
        let (Some(described), Some(task)) = (found, TaskIndex::try_new(task as usize)) else {
            return wrong(format!("the graph has no part {part} of a task {task}"));
        };
        if worker >= workers {
            return wrong(format!("there is no worker {worker}, but {}", count(workers, "worker")));
        }
        let number = (described.first_part + part) as usize;
        if matches!(event, Event::Start(..)) {
            if std::mem::replace(&mut started[number], true) {
                return wrong(format!("{} starts for the second time", name(task, part)));
            }
            if messages_left[task] > 0 {
                let problem = "starts before all that it waits for have ended";
                return wrong(format!("{} {problem}", name(task, part)));
            }
            continue;
        }
        if !started[number] || std::mem::replace(&mut ended[number], true) {
            return wrong(format!("{} ends, but does not run", name(task, part)));
        }
        parts_left[task] -= 1;
        if parts_left[task] == 0 {
            for edge in graph.edges_of(task) {
                messages_left[edge.task] -= 1;
            }
        }
    }
    for (task, described) in TaskIndex::below(graph.tasks.len()).zip(&graph.tasks) {
        for part in 0..described.parts {
            if !started[(described.first_part + part) as usize] {
                let problem = format!(
                    "the record of the run is not whole: {} never starts",
                    name(task, part)
                );
                return Err((events.len(), problem));
            }
        }
    }
    Ok(())
}
