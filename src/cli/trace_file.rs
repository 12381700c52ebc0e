//! `--trace FILE`: what ran where and when, and where it is from.

use std::path::Path;

use caudal::flow::TaskGraph;
use caudal::flow::trace::{Execution, chrome, csv, json_lines, paje};
use caudal::measure::Provenance;
use serde_json::{Value, json};

use super::Stop;
use super::output::write_file;

/// How many executions a trace holds at most: enough to compare steps, and few enough for a viewer.
pub(super) const EXECUTIONS: usize = 10;

type Format = fn(&TaskGraph, &[Execution], &Value) -> String;

/// The format that a file's name asks for.
fn format(path: &Path) -> Result<Format, Stop> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("json") => Ok(for_viewers),
        Some("csv") => Ok(as_table),
        Some("jsonl") => Ok(as_lines),
        Some("paje") => Ok(as_paje),
        _ => {
            let problem = "traces are written as .json (for Perfetto), .csv, .jsonl or .paje; name such a file";
            Err(Stop::Usage(format!("{}: {problem}", path.display())))
        }
    }
}

/// Refuses, before the work, a name that asks for no format of traces.
pub(super) fn check(path: &Path) -> Result<(), Stop> {
    format(path).map(drop)
}

/// Writes the executions of a plan, and where they are from.
pub(super) fn write(
    path: &Path,
    graph: &TaskGraph,
    executions: &[Execution],
    provenance: &Provenance,
) -> Result<(), Stop> {
    write_file(path, &format(path)?(graph, executions, &json!(provenance)))
}

/// Chrome's format has a place for what is no event.
fn for_viewers(graph: &TaskGraph, executions: &[Execution], provenance: &Value) -> String {
    with_member(&chrome(graph, executions), "otherData", provenance)
}

/// The first row has it, in a column behind the others.
fn as_table(graph: &TaskGraph, executions: &[Execution], provenance: &Value) -> String {
    with_column(&csv(graph, executions), &provenance.to_string())
}

/// The first object has it, behind its other members.
fn as_lines(graph: &TaskGraph, executions: &[Execution], provenance: &Value) -> String {
    let text = json_lines(graph, executions);
    match text.split_once('\n') {
        None => text,
        Some((first, others)) => {
            format!("{}\n{others}", with_member(first, PROVENANCE, provenance))
        }
    }
}

/// A comment at the top has it.
fn as_paje(graph: &TaskGraph, executions: &[Execution], provenance: &Value) -> String {
    format!("# {PROVENANCE}: {provenance}\n{}", paje(graph, executions))
}

/// What the member or column is called.
pub(super) const PROVENANCE: &str = "provenance";

/// The text of an object that has members, with one more.
fn with_member(object: &str, name: &str, value: &Value) -> String {
    let members = object.strip_suffix('}').unwrap_or(object);
    format!("{members},\"{name}\":{value}}}")
}

/// A table with one column more, of which the first row has the value.
fn with_column(table: &str, value: &str) -> String {
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(table.as_bytes());
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let cells = [PROVENANCE, value].into_iter().chain(std::iter::repeat(""));
    // A table just written can be read, and writing to memory can't fail.
    for (mut record, cell) in reader.records().flatten().zip(cells) {
        record.push_field(cell);
        drop(writer.write_record(&record));
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}
