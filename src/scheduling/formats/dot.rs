//! Graphs of Graphviz, with weights.

mod lexer;
mod parser;

use std::fmt::Write;

use self::parser::{Attributes, parse};
use super::FormatSpec;
use crate::error::Result;
use crate::scheduling::{
    Communication, MOST_WORKERS, WeightedGraph, WeightedGraphBuilder, WeightedTask,
};

pub(super) static SPEC: FormatSpec = FormatSpec {
    name: "DOT",
    summary: "digraphs of Graphviz whose nodes and edges have weights",
    source: "graphviz.org/doc/info/lang.html",
    endings: &["dot", "gv"],
    is: |_| true,
    read,
    write: Some(|graph| Ok(write(graph))),
};

/// Names of a node's cost in seconds, the best first; a label counts where it is a number.
const COSTS: &[&str] = &["cost", "weight", "runtime", "time", "size"];
/// Names of an edge's bytes, and of its seconds.
const BYTES: &[&str] = &["bytes", "size", "data"];
const SECONDS: &[&str] = &["seconds", "weight", "cost", "time", "comm"];

fn read(text: &str, origin: &str) -> Result<WeightedGraph> {
    let parsed = parse(text, origin)?;
    let name = parsed.name.unwrap_or_else(|| origin.to_owned());
    let mut graph = WeightedGraph::builder(name).origin(origin);
    for node in parsed.nodes {
        graph.at_line(node.line);
        let cost = find(&graph, &node.attributes, COSTS, &node.name)?;
        let costs = match node.attributes.get("costs") {
            Some(list) => list
                .split(|c: char| c.is_whitespace() || c == ',')
                .filter(|word| !word.is_empty())
                .map(|word| number(&graph, "costs", word, &node.name))
                .collect::<Result<Vec<f64>>>()?,
            None => Vec::new(),
        };
        let mut task = match (cost, costs.is_empty()) {
            (Some(cost), _) => WeightedTask::new(&node.name, cost),
            (None, false) => WeightedTask::unrelated(&node.name, costs.clone()),
            (None, true) => {
                let problem = format!("node `{}` has no cost", node.name);
                let remedy = format!("give it one of the attributes {}", COSTS.join(", "));
                return Err(graph.refuse(problem, remedy));
            }
        };
        task.costs = costs;
        if let Some(release) = find(&graph, &node.attributes, &["release"], &node.name)? {
            task.release = release;
        }
        if let Some(workers) = find(&graph, &node.attributes, &["workers"], &node.name)? {
            if workers.fract() != 0.0 || !(1.0..=MOST_WORKERS as f64).contains(&workers) {
                let problem = format!("node `{}` uses {workers} workers", node.name);
                let remedy = format!("write a whole number from 1 to {MOST_WORKERS}");
                return Err(graph.refuse(problem, remedy));
            }
            task.workers = workers as usize;
        }
        graph.task(task)?;
    }
    for edge in parsed.edges {
        graph.at_line(edge.line);
        let (from, to) = (graph.number(&edge.from)?, graph.number(&edge.to)?);
        let of = format!("{} -> {}", edge.from, edge.to);
        let bytes = named(&edge.attributes, BYTES);
        let communication = match bytes {
            Some((key, value)) => Communication::Bytes(number(&graph, key, value, &of)?),
            None => match find(&graph, &edge.attributes, SECONDS, &of)? {
                Some(seconds) => Communication::Seconds(seconds),
                None => Communication::Bytes(0.0),
            },
        };
        graph.edge(from, to, communication)?;
    }
    graph.build()
}

/// The first of some attributes that is there, in small or capital letters.
fn named<'a>(
    attributes: &'a Attributes,
    names: &[&'static str],
) -> Option<(&'static str, &'a str)> {
    let mut found = names.iter().filter_map(|&name| {
        let mut same = attributes.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        same.next().map(|(_, value)| (name, value.as_str()))
    });
    found.next()
}

/// The number of the first of some attributes that is there, or a label that is one.
fn find(
    graph: &WeightedGraphBuilder,
    attributes: &Attributes,
    names: &[&'static str],
    of: &str,
) -> Result<Option<f64>> {
    if let Some((key, value)) = named(attributes, names) {
        return number(graph, key, value, of).map(Some);
    }
    let is_weight = names.contains(&"weight");
    let label = attributes.get("label").filter(|_| is_weight);
    Ok(label.and_then(|label| label.trim().parse().ok()))
}

fn number(graph: &WeightedGraphBuilder, key: &str, value: &str, of: &str) -> Result<f64> {
    value.trim().parse().map_err(|_| {
        graph.refuse(format!("`{key}` of `{of}` is `{value}`"), "write a number there")
    })
}

/// A name in quotes. Backslashes stand for themselves, unless a quote or another backslash follows.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

fn write(graph: &WeightedGraph) -> String {
    let mut text = format!("digraph {} {{\n", quoted(graph.name()));
    for task in graph.tasks() {
        let _ = write!(text, "  {} [cost={}", quoted(&task.name), plain(task.cost));
        if !task.costs.is_empty() {
            let costs: Vec<String> = task.costs.iter().map(f64::to_string).collect();
            let _ = write!(text, ", costs=\"{}\"", costs.join(" "));
        }
        if task.release > 0.0 {
            let _ = write!(text, ", release={}", plain(task.release));
        }
        if task.workers > 1 {
            let _ = write!(text, ", workers={}", task.workers);
        }
        text.push_str("];\n");
    }
    for edge in graph.edges() {
        let name = |task: usize| quoted(&graph.tasks()[task].name);
        let (key, amount) = match edge.communication {
            Communication::Bytes(amount) => ("bytes", amount),
            Communication::Seconds(amount) => ("seconds", amount),
        };
        let (from, to) = (name(edge.from), name(edge.to));
        let _ = writeln!(text, "  {from} -> {to} [{key}={}];", plain(amount));
    }
    text.push_str("}\n");
    text
}

/// A number as the grammar has numbers: without an exponent.
fn plain(number: f64) -> String {
    number.to_string()
}

#[cfg(test)]
mod tests;
