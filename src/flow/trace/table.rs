//! Traces as tables: a row for every execution, part, message, and change of a worker.

use std::fmt::Write;

use serde_json::Value;

use super::{Execution, waits_for};
use crate::flow::graph::TaskGraph;
use crate::flow::observer::{MessageEvent, PartEvent, WorkerChange, WorkerEvent};

/// What a row may have, in the order of the table. Times are nanoseconds since the first execution began.
#[cfg(feature = "csv")]
const COLUMNS: [&str; 17] = [
    "execution",
    "task",
    "label",
    "node",
    "phase",
    "part",
    "parts",
    "worker",
    "ready_ns",
    "start_ns",
    "end_ns",
    "event",
    "after",
    "to",
    "port",
    "bytes",
    "other",
];

/// What a row says of one column.
#[derive(Clone, Copy)]
enum Cell<'a> {
    Number(u64),
    Text(&'a str),
    List(&'a [usize]),
}

impl From<usize> for Cell<'_> {
    fn from(number: usize) -> Self {
        Self::Number(number as u64)
    }
}

/// The columns that a row fills, in order.
type Row<'a> = Vec<(&'static str, Cell<'a>)>;

/// What all rows of a trace are made of.
struct Rows<'a> {
    graph: &'a TaskGraph,
    origin: u64,
    labels: Vec<String>,
    waits: Vec<Vec<usize>>,
}

impl<'a> Rows<'a> {
    fn new(graph: &'a TaskGraph, executions: &[Execution]) -> Self {
        Self {
            graph,
            origin: executions.first().map_or(0, |execution| execution.began),
            labels: (0..graph.task_count()).map(|task| graph.task_label(task)).collect(),
            waits: waits_for(graph),
        }
    }

    fn time(&self, nanoseconds: u64) -> Cell<'static> {
        Cell::Number(nanoseconds.saturating_sub(self.origin))
    }

    fn execution(&self, number: usize, execution: &Execution) -> Row<'_> {
        vec![
            ("execution", number.into()),
            ("label", Cell::Text(self.graph.name())),
            ("start_ns", self.time(execution.began)),
            ("end_ns", self.time(execution.ended)),
            ("event", Cell::Text("execution")),
        ]
    }

    fn part(&self, number: usize, event: &PartEvent) -> Row<'_> {
        let task = self.graph.task(event.task);
        vec![
            ("execution", number.into()),
            ("task", event.task.into()),
            ("label", Cell::Text(&self.labels[event.task])),
            ("node", Cell::Text(task.node)),
            ("phase", Cell::Text(task.phase)),
            ("part", event.part.into()),
            ("parts", task.parts.into()),
            ("worker", event.worker.into()),
            ("ready_ns", self.time(event.ready)),
            ("start_ns", self.time(event.start)),
            ("end_ns", self.time(event.end)),
            ("event", Cell::Text("part")),
            ("after", Cell::List(&self.waits[event.task])),
        ]
    }

    fn message(&self, number: usize, event: &MessageEvent) -> Row<'_> {
        vec![
            ("execution", number.into()),
            ("task", event.from.into()),
            ("worker", event.worker.into()),
            ("start_ns", self.time(event.time)),
            ("event", Cell::Text("message")),
            ("to", event.to.into()),
            ("port", event.port.into()),
            ("bytes", event.bytes.into()),
        ]
    }

    fn worker(&self, number: usize, event: &WorkerEvent) -> Row<'_> {
        let mut row = vec![("execution", number.into())];
        if let WorkerChange::Stole { task, part, .. } = event.change {
            row.extend([("task", task.into()), ("part", part.into())]);
        }
        let (name, other) = match event.change {
            WorkerChange::Awake => ("awake", None),
            WorkerChange::Parked => ("parked", None),
            WorkerChange::Notified { by } => ("notified", Some(by)),
            WorkerChange::Stole { from, .. } => ("stole", Some(from)),
        };
        row.extend([
            ("worker", event.worker.into()),
            ("start_ns", self.time(event.time)),
            ("event", Cell::Text(name)),
        ]);
        row.extend(other.map(|other| ("other", other.into())));
        row
    }
}

fn for_rows(graph: &TaskGraph, executions: &[Execution], mut with: impl FnMut(Row<'_>)) {
    let rows = Rows::new(graph, executions);
    for (number, execution) in executions.iter().enumerate() {
        with(rows.execution(number, execution));
        for event in &execution.events {
            with(rows.part(number, event));
        }
        for event in &execution.messages {
            with(rows.message(number, event));
        }
        for event in &execution.workers {
            with(rows.worker(number, event));
        }
    }
}

/// A trace as comma-separated values with a header. The column `event` says what a row is, and cells that say nothing
/// of that are empty:
///
/// | event | what the row has |
/// | --- | --- |
/// | `execution` | in `label` the graph's name, `start_ns` and `end_ns`; the rows of the execution follow |
/// | `part` | a part that ran, by start; `after` has the tasks that its task waits for |
/// | `message` | `task` sent it from `worker` at `start_ns` to the task `to`, for its `port`; `bytes` of its value |
/// | `parked`, `awake` | `worker` slept, or was awake, from `start_ns` on |
/// | `notified` | the worker `other` called `worker`, which slept |
/// | `stole` | `worker` took `part` of `task` from the queue of the worker `other` |
///
/// Times are nanoseconds since the first execution began.
#[cfg(feature = "csv")]
pub fn csv(graph: &TaskGraph, executions: &[Execution]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing text to memory can't fail.
    drop(writer.write_record(COLUMNS));
    for_rows(graph, executions, |row| {
        let text = |column: &&str| {
            let cell = row.iter().find(|(name, _)| name == column).map(|(_, cell)| *cell);
            match cell {
                None => String::new(),
                Some(Cell::Number(number)) => number.to_string(),
                Some(Cell::Text(text)) => text.to_owned(),
                Some(Cell::List(list)) => {
                    list.iter().map(usize::to_string).collect::<Vec<_>>().join(" ")
                }
            }
        };
        drop(writer.write_record(COLUMNS.iter().map(text)));
    });
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

/// A trace as JSON: an object a line, with what the rows of [`csv()`] have in the columns that they fill; `after` is a
/// list.
pub fn json_lines(graph: &TaskGraph, executions: &[Execution]) -> String {
    let mut text = String::new();
    for_rows(graph, executions, |row| {
        let member = |(name, cell): (&str, Cell<'_>)| {
            let value = match cell {
                Cell::Number(number) => Value::from(number),
                Cell::Text(text) => Value::from(text),
                Cell::List(list) => Value::from(list.to_vec()),
            };
            format!("\"{name}\":{value}")
        };
        let members: Vec<String> = row.into_iter().map(member).collect();
        let _ = writeln!(text, "{{{}}}", members.join(","));
    });
    text
}
