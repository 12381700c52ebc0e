//! Our own format: everything that a graph holds, in TOML.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{FormatSpec, line_at};
use crate::data::refuse;
use crate::error::Result;
use crate::scheduling::{Communication, WeightedGraph, WeightedTask};

pub(super) static SPEC: FormatSpec = FormatSpec {
    name: "TOML",
    summary: "Caudal's own: tables [[task]] and [[edge]], which hold all that a graph can",
    source: "docs/task-graphs.md",
    endings: &["toml"],
    is: |text| has_table(text, "task"),
    read,
    write: Some(|graph| Ok(write(graph))),
};

/// Whether a line of a text begins a table of this name.
fn has_table(text: &str, name: &str) -> bool {
    let header = format!("[[{name}]]");
    text.lines().any(|line| line.trim_start().starts_with(&header))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileOfGraph {
    name: Option<String>,
    #[serde(default)]
    task: Vec<Spanned<Task>>,
    #[serde(default)]
    edge: Vec<Spanned<Edge>>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Task {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    costs: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workers: Option<usize>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Edge {
    from: String,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}

fn read(text: &str, origin: &str) -> Result<WeightedGraph> {
    let file: FileOfGraph = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_at(text, span.start));
        let remedy = "write tables [[task]] with name and cost, and [[edge]] with from and to";
        refuse(format!("{origin}, line {line}"), error.message(), remedy)
    })?;
    let mut graph = WeightedGraph::builder(file.name.unwrap_or_else(|| origin.to_owned()));
    graph = graph.origin(origin);
    let mut lines = Lines { text, byte: 0, line: 1 };
    for entry in file.task {
        graph.at_line(lines.of(entry.span().start));
        let Task { name, cost, costs, release, workers } = entry.into_inner();
        let mut task = match (cost, costs.is_empty()) {
            (Some(cost), empty) => {
                let mut task = WeightedTask::new(name, cost);
                if !empty {
                    task.costs = costs;
                }
                task
            }
            (None, false) => WeightedTask::unrelated(name, costs),
            (None, true) => {
                let problem = format!("task `{name}` has neither `cost` nor `costs`");
                let remedy = "give it `cost`, in seconds, or `costs`, one for each worker";
                return Err(graph.refuse(problem, remedy));
            }
        };
        task = task.release(release.unwrap_or(0.0)).workers(workers.unwrap_or(1));
        graph.task(task)?;
    }
    // Edges may stand before tasks.
    let mut lines = Lines { text, byte: 0, line: 1 };
    for entry in file.edge {
        graph.at_line(lines.of(entry.span().start));
        let Edge { from, to, bytes, seconds } = entry.into_inner();
        let communication = match (bytes, seconds) {
            (bytes, None) => Communication::Bytes(bytes.unwrap_or(0.0)),
            (None, Some(seconds)) => Communication::Seconds(seconds),
            (Some(_), Some(_)) => {
                let problem = format!("the edge from `{from}` to `{to}` has bytes and seconds");
                return Err(graph.refuse(problem, "give it one of them"));
            }
        };
        let (from, to) = (graph.number(&from)?, graph.number(&to)?);
        graph.edge(from, to, communication)?;
    }
    graph.build()
}

/// Counts lines up to one byte after another.
struct Lines<'t> {
    text: &'t str,
    byte: usize,
    line: usize,
}

impl Lines<'_> {
    fn of(&mut self, byte: usize) -> usize {
        self.line += self.text.get(self.byte..byte).unwrap_or_default().matches('\n').count();
        self.byte = byte.max(self.byte);
        self.line
    }
}

fn write(graph: &WeightedGraph) -> String {
    let mut text = format!("name = {}\n", toml::Value::from(graph.name()));
    for task in graph.tasks() {
        let entry = Task {
            name: task.name.clone(),
            cost: Some(task.cost),
            costs: task.costs.clone(),
            release: (task.release > 0.0).then_some(task.release),
            workers: (task.workers > 1).then_some(task.workers),
        };
        let _ = write!(text, "\n[[task]]\n{}", toml::to_string(&entry).unwrap_or_default());
    }
    for edge in graph.edges() {
        let name = |task: usize| graph.tasks()[task].name.clone();
        let (bytes, seconds) = match edge.communication {
            Communication::Bytes(bytes) => (Some(bytes), None),
            Communication::Seconds(seconds) => (None, Some(seconds)),
        };
        let entry = Edge { from: name(edge.from), to: name(edge.to), bytes, seconds };
        let _ = write!(text, "\n[[edge]]\n{}", toml::to_string(&entry).unwrap_or_default());
    }
    text
}
