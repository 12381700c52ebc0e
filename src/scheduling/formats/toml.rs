//! Our own format: everything that a graph holds, in TOML.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{FormatSpec, Lines, line_at};
use crate::data::refuse;
use crate::error::{Result, plain};
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
        refuse(format!("{origin}, line {line}"), plain(error.message()), remedy)
    })?;
    let mut graph = WeightedGraph::builder(file.name.unwrap_or_else(|| origin.to_owned()));
    graph = graph.origin(origin);
    let mut lines = Lines::new(text);
    for entry in file.task {
        graph.at_line(lines.of(entry.span().start));
        let Task { name, cost, costs, release, workers } = entry.into_inner();
        let mut task = match (cost, costs.is_empty()) {
            (Some(cost), true) => WeightedTask::new(name, cost),
            (None, false) => WeightedTask::unrelated(name, costs),
            (cost, _) => {
                let has = if cost.is_some() { "both `cost` and" } else { "neither `cost` nor" };
                let problem = format!("task `{name}` has {has} `costs`");
                let remedy = "give it `cost`, in seconds, or `costs`, one for each worker";
                return Err(graph.refuse(problem, remedy));
            }
        };
        task = task.release(release.unwrap_or(0.0)).workers(workers.unwrap_or(1));
        graph.task(task)?;
    }
    // Edges may stand before tasks.
    let mut lines = Lines::new(text);
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

fn write(graph: &WeightedGraph) -> String {
    let mut text = format!("name = {}\n", toml::Value::from(graph.name()));
    for task in graph.tasks() {
        let entry = Task {
            name: task.name.clone(),
            cost: task.costs.is_empty().then_some(task.cost),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_have_one_of_cost_and_costs() {
        for (costs, expected) in [
            ("cost = 1\ncosts = [1, 2]", "x.toml, line 1: task `a` has both `cost` and `costs`"),
            ("", "x.toml, line 1: task `a` has neither `cost` nor `costs`"),
            ("cost = 1\nworkers = 0", "task `a`: it uses 0 workers; "),
            ("cost = 1\nworkers = 100000", "task `a`: it uses 100000 workers; "),
        ] {
            let text = format!("[[task]]\nname = 'a'\n{costs}\n");
            let error = read(&text, "x.toml").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let graph = read("[[task]]\nname = 'a'\ncosts = [1, 2]\n", "x.toml").unwrap();
        assert_eq!(read(&write(&graph), "x.toml").unwrap(), graph);
    }
}
