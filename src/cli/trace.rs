//! `--trace FILE`: what ran where and when.

use std::path::Path;

use caudal::flow::TaskGraph;
use caudal::flow::trace::{Execution, chrome, csv, json_lines};

use super::Stop;
use super::output::write_file;

/// How many executions a trace holds at most: enough to compare steps, and few enough for a viewer.
pub(super) const EXECUTIONS: usize = 10;

type Format = fn(&TaskGraph, &[Execution]) -> String;

/// The format that a file's name asks for.
fn format(path: &Path) -> Result<Format, Stop> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("json") => Ok(chrome),
        Some("csv") => Ok(csv),
        Some("jsonl") => Ok(json_lines),
        _ => {
            let problem =
                "traces are written as .json (for Perfetto), .csv or .jsonl; name such a file";
            Err(Stop::Usage(format!("{}: {problem}", path.display())))
        }
    }
}

/// Refuses, before the work, a name that asks for no format of traces.
pub(super) fn check(path: &Path) -> Result<(), Stop> {
    format(path).map(drop)
}

/// Writes the executions of a plan.
pub(super) fn write(path: &Path, graph: &TaskGraph, executions: &[Execution]) -> Result<(), Stop> {
    write_file(path, &format(path)?(graph, executions))
}
