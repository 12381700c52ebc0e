//! Traces from files.

mod chrome;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;

use super::Execution;
use super::gather::Gathered;
use crate::error::{Error, Result, refuse};
use crate::files::text_of;
use crate::flow::graph::TaskGraph;
use crate::memory;

/// So many bytes may a byte of a file need once it is read: what says little needs the most.
const MOST_BYTES: usize = 32;

/// A trace that was read from a file: tasks, who waits for whom, and what ran where and when.
#[derive(Debug)]
pub struct Trace {
    pub(super) name: String,
    pub(super) tasks: Vec<TracedTask>,
    pub(super) executions: Vec<Execution>,
    pub(super) graph: TaskGraph,
    pub(super) bytes: Vec<u32>,
}

/// A task of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TracedTask {
    /// Its number in the file. In [`Trace::executions`] and in [`after`](Self::after) tasks are numbered without gaps,
    /// in the same order.
    pub number: u64,
    /// What it does.
    pub label: String,
    /// The node of the first thing that it does.
    pub node: String,
    /// What it does for that.
    pub phase: String,
    /// Into how many parts it is divided.
    pub parts: usize,
    /// The tasks that it waits for.
    pub after: Vec<usize>,
}

impl TracedTask {
    /// The nodes that it computes something for, each once, in order: those that its label names, where that is one that
    /// [`TaskGraph::task_label`] wrote.
    pub fn nodes(&self) -> Vec<String> {
        let (mut nodes, mut known) = (Vec::<&str>::new(), BTreeSet::new());
        for group in self.label.split("; ") {
            let Some((names, _)) = group.rsplit_once(", ") else { return vec![self.node.clone()] };
            for name in names.split(" + ") {
                if known.insert(name) {
                    nodes.push(name);
                }
            }
        }
        if nodes.first() != Some(&self.node.as_str()) {
            return vec![self.node.clone()];
        }
        nodes.into_iter().map(str::to_owned).collect()
    }
}

impl Trace {
    /// The name of the graph, or of the file where that has none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tasks; every one stands behind those that it waits for.
    pub fn tasks(&self) -> &[TracedTask] {
        &self.tasks
    }

    /// What ran, at least once. Times are nanoseconds since the first execution began.
    pub fn executions(&self) -> &[Execution] {
        &self.executions
    }

    /// The tasks as a graph: called by their labels, with parts and dependencies, and with the seconds that they took in
    /// the median as estimates.
    pub fn graph(&self) -> &TaskGraph {
        &self.graph
    }

    /// The bytes of the messages of [`Trace::graph`], in the order of senders and, of each, of receivers; 0 where the
    /// trace does not tell.
    pub fn message_bytes(&self) -> &[u32] {
        &self.bytes
    }

    /// How many workers are known of, in any execution.
    pub fn workers(&self) -> usize {
        self.executions.iter().map(Execution::worker_count).max().unwrap_or(0)
    }

    /// The number of the execution of median length.
    pub fn typical(&self) -> usize {
        let mut numbers: Vec<usize> = (0..self.executions.len()).collect();
        numbers.sort_by_key(|&number| self.executions[number].length());
        numbers[(numbers.len() - 1) / 2]
    }
}

/// Reads a trace that [`chrome()`](super::chrome()) (`.json`), [`json_lines`](super::json_lines) (`.jsonl`) or, with the feature
/// `csv`, [`csv()`](super::csv()) wrote, or another program in the same form.
///
/// Memory is bounded by the size of the file.
///
/// # Errors
/// If the file can't be read; or if it is no trace: with the line, or, of `.json`, with the number of the event. Tasks must
/// be numbered so that each comes after those that it waits for; a part runs once in an execution and ends after it
/// starts, and a worker runs one part at a time.
pub fn read(path: impl AsRef<Path>) -> Result<Trace> {
    let path = path.as_ref();
    let parse = parser(path)?;
    let origin = path.display().to_string();
    let text = text_of(path)?;
    let needed = text.len().saturating_mul(MOST_BYTES);
    memory::check(needed).map_err(|problem| {
        let needed = memory::amount(needed);
        let problem = format!("what it tells may take {needed}, {problem}");
        refuse(&origin, problem, "record fewer steps, or take some of its executions")
    })?;
    parse(&text, &origin)
}

type Parse = fn(&str, &str) -> Result<Trace>;

/// What reads a file of this name.
fn parser(path: &Path) -> Result<Parse> {
    let ending = path.extension().map(|it| it.to_string_lossy().to_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "json" => Ok(chrome::parse),
        "jsonl" => Ok(rows::parse_json_lines),
        #[cfg(feature = "csv")]
        "csv" => Ok(rows::parse_csv),
        _ => {
            let problem = format!("its ending `{ending}` is of no format of traces that is read");
            Err(refuse(path.display(), problem, "name a trace that ends in .json, .jsonl or .csv"))
        }
    }
}

/// What gathers the contents of a file of this name.
fn gathered(origin: &str, unit: &'static str) -> Gathered {
    let stem = Path::new(origin).file_stem();
    let name = stem.map_or_else(|| origin.to_owned(), |stem| stem.to_string_lossy().into_owned());
    Gathered::new(origin, unit, name)
}

/// An error about a place in a file.
pub(super) fn wrong(origin: &str, place: &str, problem: impl Into<String>) -> Error {
    refuse(format!("{origin}, {place}"), problem, "record the trace again, or mend the file there")
}
