//! Traces as tables: a row for every part.

use serde::Serialize;

use super::Execution;
use crate::flow::graph::TaskGraph;

/// One part that ran. Times are nanoseconds since the first execution began.
#[derive(Serialize)]
struct Row<'a> {
    execution: usize,
    task: usize,
    label: &'a str,
    node: &'a str,
    phase: &'static str,
    part: usize,
    parts: usize,
    worker: usize,
    ready_ns: u64,
    start_ns: u64,
    end_ns: u64,
}

fn for_rows(graph: &TaskGraph, executions: &[Execution], mut with: impl FnMut(&Row<'_>)) {
    let origin = executions.first().map_or(0, |execution| execution.began);
    let labels: Vec<String> = (0..graph.task_count()).map(|task| graph.task_label(task)).collect();
    for (number, execution) in executions.iter().enumerate() {
        for event in &execution.events {
            let task = graph.task(event.task);
            with(&Row {
                execution: number,
                task: event.task,
                label: &labels[event.task],
                node: task.node,
                phase: task.phase,
                part: event.part,
                parts: task.parts,
                worker: event.worker,
                ready_ns: event.ready.saturating_sub(origin),
                start_ns: event.start.saturating_sub(origin),
                end_ns: event.end.saturating_sub(origin),
            });
        }
    }
}

/// A trace as comma-separated values with a header: a line for every part, in order of start.
#[cfg(feature = "csv")]
pub fn csv(graph: &TaskGraph, executions: &[Execution]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory can't fail, nor can serializing numbers and text.
    for_rows(graph, executions, |row| drop(writer.serialize(row)));
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

/// A trace as JSON: an object for every part, one a line, in order of start.
pub fn json_lines(graph: &TaskGraph, executions: &[Execution]) -> String {
    let mut text = String::new();
    for_rows(graph, executions, |row| {
        text.push_str(&serde_json::to_string(row).unwrap_or_default());
        text.push('\n');
    });
    text
}
