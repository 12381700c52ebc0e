//! Rows of tables and of JSON lines.

use serde::Deserialize;

use super::super::gather::Gathered;
use super::{Trace, gathered, wrong};
use crate::error::{Result, plain};
use crate::flow::observer::{MessageEvent, PartEvent, WorkerChange, WorkerEvent};
use crate::flow::trace::TracedTask;

/// What a row may have; `super::super::table` says what it means.
#[derive(Debug, Default, Deserialize)]
struct Row {
    execution: Option<u64>,
    task: Option<u64>,
    label: Option<String>,
    node: Option<String>,
    phase: Option<String>,
    part: Option<u64>,
    parts: Option<u64>,
    worker: Option<u64>,
    ready_ns: Option<u64>,
    start_ns: Option<u64>,
    end_ns: Option<u64>,
    event: Option<String>,
    #[serde(default)]
    after: Vec<u64>,
    to: Option<u64>,
    port: Option<u64>,
    bytes: Option<u64>,
    other: Option<u64>,
}

/// A number that a row must have.
fn needed(number: Option<u64>, column: &str) -> Result<u64, String> {
    number.ok_or_else(|| format!("the row has no `{column}`"))
}

fn small(number: Option<u64>, column: &str) -> Result<usize, String> {
    let number = needed(number, column)?;
    u32::try_from(number)
        .map(|it| it as usize)
        .map_err(|_| format!("`{column}` is {number}, too much"))
}

impl Row {
    fn add(self, gathered: &mut Gathered, place: usize) -> Result<(), String> {
        let execution = needed(self.execution, "execution")?;
        match self.event.as_deref().unwrap_or("part") {
            "execution" => {
                let span = (needed(self.start_ns, "start_ns")?, needed(self.end_ns, "end_ns")?);
                gathered.execution(execution, self.label, span)
            }
            "part" => {
                let event = PartEvent {
                    task: small(self.task, "task")?,
                    part: small(self.part, "part")?,
                    worker: small(self.worker, "worker")?,
                    ready: needed(self.ready_ns, "ready_ns")?,
                    start: needed(self.start_ns, "start_ns")?,
                    end: needed(self.end_ns, "end_ns")?,
                };
                let text = |text: Option<String>, column: &str| {
                    text.ok_or_else(|| format!("the row has no `{column}`"))
                };
                let node = text(self.node, "node")?;
                let task = TracedTask {
                    number: event.task as u64,
                    label: self.label.unwrap_or_else(|| node.clone()),
                    node,
                    phase: text(self.phase, "phase")?,
                    parts: small(self.parts, "parts")?,
                    after: self
                        .after
                        .iter()
                        .map(|&it| small(Some(it), "after"))
                        .collect::<Result<_, _>>()?,
                };
                gathered.part(place, execution, task, event)
            }
            "message" => {
                let event = MessageEvent {
                    from: small(self.task, "task")?,
                    to: small(self.to, "to")?,
                    port: small(self.port, "port")?,
                    bytes: needed(self.bytes, "bytes")? as usize,
                    worker: small(self.worker, "worker")?,
                    time: needed(self.start_ns, "start_ns")?,
                };
                gathered.message(place, execution, event)
            }
            name => {
                let change = match name {
                    "awake" => WorkerChange::Awake,
                    "parked" => WorkerChange::Parked,
                    "notified" => WorkerChange::Notified { by: small(self.other, "other")? },
                    "stole" => WorkerChange::Stole {
                        task: small(self.task, "task")?,
                        part: small(self.part, "part")?,
                        from: small(self.other, "other")?,
                    },
                    _ => return Err(format!("the event `{name}` is not known")),
                };
                let worker = small(self.worker, "worker")?;
                let time = needed(self.start_ns, "start_ns")?;
                gathered.worker(place, execution, WorkerEvent { worker, change, time })
            }
        }
    }
}

/// Reads an object a line.
pub(super) fn parse_json_lines(text: &str, origin: &str) -> Result<Trace> {
    let mut gathered = gathered(origin, "line");
    for (number, line) in (1..).zip(text.lines()) {
        let row: Result<Row, String> = serde_json::from_str(line)
            .map_err(|error| format!("it is no row of a trace: {}", plain(&error.to_string())));
        let added = row.and_then(|row| row.add(&mut gathered, number));
        added.map_err(|problem| wrong(origin, &format!("line {number}"), problem))?;
    }
    gathered.finish()
}

/// Reads a table.
#[cfg(feature = "csv")]
pub(super) fn parse_csv(text: &str, origin: &str) -> Result<Trace> {
    let mut gathered = gathered(origin, "line");
    let mut reader = csv::ReaderBuilder::new().has_headers(true).from_reader(text.as_bytes());
    let place = |error: &csv::Error| {
        error.position().map_or("line 1".to_owned(), |it| format!("line {}", it.line()))
    };
    let header =
        reader.headers().map_err(|error| wrong(origin, &place(&error), error.to_string()))?;
    let columns: Vec<String> = header.iter().map(str::to_owned).collect();
    for record in reader.records() {
        let record = record.map_err(|error| wrong(origin, &place(&error), error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line) as usize;
        let row = cells(&columns, &record);
        let added = row.and_then(|row| row.add(&mut gathered, line));
        added.map_err(|problem| wrong(origin, &format!("line {line}"), problem))?;
    }
    gathered.finish()
}

/// The row of some cells. Empty ones say nothing, and columns of other names are for others.
#[cfg(feature = "csv")]
fn cells(columns: &[String], record: &csv::StringRecord) -> Result<Row, String> {
    let mut row = Row::default();
    for (column, cell) in columns.iter().zip(record).filter(|(_, cell)| !cell.is_empty()) {
        let number = |cell: &str| {
            cell.parse::<u64>()
                .map_err(|_| format!("`{column}` is `{cell}`, and should be a number from 0 on"))
        };
        match column.as_str() {
            "label" => row.label = Some(cell.to_owned()),
            "node" => row.node = Some(cell.to_owned()),
            "phase" => row.phase = Some(cell.to_owned()),
            "event" => row.event = Some(cell.to_owned()),
            "after" => {
                row.after = cell.split_whitespace().map(number).collect::<Result<_, _>>()?;
            }
            name => {
                let place = match name {
                    "execution" => &mut row.execution,
                    "task" => &mut row.task,
                    "part" => &mut row.part,
                    "parts" => &mut row.parts,
                    "worker" => &mut row.worker,
                    "ready_ns" => &mut row.ready_ns,
                    "start_ns" => &mut row.start_ns,
                    "end_ns" => &mut row.end_ns,
                    "to" => &mut row.to,
                    "port" => &mut row.port,
                    "bytes" => &mut row.bytes,
                    "other" => &mut row.other,
                    _ => continue,
                };
                *place = Some(number(cell)?);
            }
        }
    }
    Ok(row)
}
