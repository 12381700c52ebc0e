//! Workflows of WfCommons.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::FormatSpec;
use crate::data::refuse;
use crate::error::{Result, plain};
use crate::scheduling::{
    Communication, MOST_WORKERS, WeightedGraph, WeightedGraphBuilder, WeightedTask,
};

pub(super) static SPEC: FormatSpec = FormatSpec {
    name: "WfFormat",
    summary: "workflows of WfCommons as JSON, versions 1.4 to 1.6; written as 1.6",
    source: "github.com/wfcommons/WfFormat",
    endings: &["json"],
    is: |_| true,
    read,
    write: Some(write),
};

const VERSIONS: [&str; 3] = ["1.4", "1.5", "1.6"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File<'t> {
    name: String,
    schema_version: String,
    #[serde(borrow)]
    workflow: Workflow<'t>,
}

#[derive(Deserialize)]
struct Workflow<'t> {
    /// From version 1.5 on.
    #[serde(borrow)]
    specification: Option<Specification<'t>>,
    #[serde(borrow)]
    execution: Option<Execution<'t>>,
    /// In version 1.4.
    #[serde(borrow, default)]
    tasks: Vec<&'t RawValue>,
}

#[derive(Deserialize)]
struct Specification<'t> {
    #[serde(borrow)]
    tasks: Vec<&'t RawValue>,
    #[serde(borrow, default)]
    files: Vec<&'t RawValue>,
}

#[derive(Deserialize)]
struct Execution<'t> {
    #[serde(borrow)]
    tasks: Vec<&'t RawValue>,
}

/// A task of any version: of a specification, of an execution, or both in one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    id: Option<String>,
    name: Option<String>,
    #[serde(default)]
    parents: Vec<String>,
    #[serde(default)]
    children: Vec<String>,
    #[serde(default)]
    input_files: Vec<String>,
    #[serde(default)]
    output_files: Vec<String>,
    #[serde(alias = "runtime")]
    runtime_in_seconds: Option<f64>,
    #[serde(alias = "cores")]
    core_count: Option<f64>,
    #[serde(default)]
    files: Vec<LinkedFile>,
}

/// A file as version 1.4 has it, in the task that uses it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LinkedFile {
    link: String,
    #[serde(alias = "id")]
    name: String,
    #[serde(alias = "size")]
    size_in_bytes: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SizedFile {
    id: String,
    size_in_bytes: f64,
}

/// Reads pieces of a text, whose lines it knows.
struct Pieces<'t> {
    text: &'t str,
    graph: WeightedGraphBuilder,
}

impl<'t> Pieces<'t> {
    /// The line at which a piece of the text begins. Lines are counted on from `from`, a byte and its line.
    fn line(&self, piece: &RawValue, from: &mut (usize, usize)) -> usize {
        let byte = (piece.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let byte = byte.min(self.text.len()).max(from.0);
        let passed = self.text.get(from.0..byte).unwrap_or_default().matches('\n').count();
        *from = (byte, from.1 + passed);
        from.1
    }

    /// Pieces with their lines.
    fn read<T: Deserialize<'t>>(&mut self, pieces: &[&'t RawValue]) -> Result<Vec<(usize, T)>> {
        let mut from = (0, 1);
        let read = pieces.iter().map(|piece| {
            let line = self.line(piece, &mut from);
            let value = serde_json::from_str(piece.get()).map_err(|error| {
                self.graph.at_line(line + error.line() - 1);
                self.graph
                    .refuse(plain(&error.to_string()), "write tasks and files as WfFormat has them")
            })?;
            Ok((line, value))
        });
        read.collect()
    }
}

fn read(text: &str, origin: &str) -> Result<WeightedGraph> {
    let file: File<'_> = serde_json::from_str(text).map_err(|error| {
        let at = format!("{origin}, line {}", error.line().max(1));
        refuse(at, plain(&error.to_string()), "write a workflow as WfFormat 1.4 to 1.6 has it")
    })?;
    if !VERSIONS.contains(&file.schema_version.as_str()) {
        let problem = format!("its `schemaVersion` is `{}`", file.schema_version);
        let remedy = format!("write one of {}", VERSIONS.join(", "));
        return Err(refuse(origin, problem, remedy));
    }
    let graph = WeightedGraph::builder(file.name).origin(origin);
    let mut pieces = Pieces { text, graph };
    let (specified, files) = match &file.workflow.specification {
        Some(it) => (&it.tasks, it.files.as_slice()),
        None => (&file.workflow.tasks, &[][..]),
    };
    let tasks: Vec<(usize, Task)> = pieces.read(specified)?;
    let executed: Vec<(usize, Task)> = match &file.workflow.execution {
        Some(execution) => pieces.read(&execution.tasks)?,
        None => Vec::new(),
    };
    let sizes = sizes(&mut pieces, files, &tasks)?;
    let mut graph = pieces.graph;
    let mut ran: HashMap<&str, &Task> = HashMap::new();
    for (line, task) in &executed {
        graph.at_line(*line);
        let id = id(&graph, task)?;
        if ran.insert(id, task).is_some() {
            let problem = format!("task `{id}` was executed twice");
            return Err(graph.refuse(problem, "keep one of its executions"));
        }
    }
    for (line, task) in &tasks {
        graph.at_line(*line);
        let id = id(&graph, task)?;
        let ran = ran.get(id).copied().unwrap_or(task);
        let Some(seconds) = ran.runtime_in_seconds else {
            let problem = format!("task `{id}` has no runtime");
            let remedy = "give it `runtimeInSeconds` in the part `execution`";
            return Err(graph.refuse(problem, remedy));
        };
        let cores = ran.core_count.unwrap_or(1.0).ceil();
        if !(1.0..=MOST_WORKERS as f64).contains(&cores) {
            let problem = format!("task `{id}`: it uses {cores} workers");
            return Err(graph.refuse(problem, format!("let it use 1 to {MOST_WORKERS}")));
        }
        graph.task(WeightedTask::new(id, seconds).workers(cores as usize))?;
    }
    connect(graph, &tasks, &sizes)
}

/// What a task is called, of which there is one in a workflow.
fn id<'t>(graph: &WeightedGraphBuilder, task: &'t Task) -> Result<&'t str> {
    task.id.as_deref().or(task.name.as_deref()).ok_or_else(|| {
        graph.refuse("a task has neither `id` nor `name`", "give every task an `id`")
    })
}

/// Bytes of all files, by name.
fn sizes<'t>(
    pieces: &mut Pieces<'t>,
    files: &[&'t RawValue],
    tasks: &[(usize, Task)],
) -> Result<HashMap<String, f64>> {
    let mut sizes = HashMap::new();
    for (line, file) in pieces.read::<SizedFile>(files)? {
        pieces.graph.at_line(line);
        if let Some(other) = sizes.insert(file.id.clone(), file.size_in_bytes)
            && other != file.size_in_bytes
        {
            let problem = format!("file `{}` has two sizes", file.id);
            return Err(pieces.graph.refuse(problem, "keep one of them"));
        }
    }
    for file in tasks.iter().flat_map(|(_, task)| &task.files) {
        sizes.entry(file.name.clone()).or_insert(file.size_in_bytes.unwrap_or(0.0));
    }
    Ok(sizes)
}

/// Adds the edges, with the bytes of all files that the first task writes and the second reads.
fn connect(
    mut graph: WeightedGraphBuilder,
    tasks: &[(usize, Task)],
    sizes: &HashMap<String, f64>,
) -> Result<WeightedGraph> {
    // In version 1.4 parents are called by their names, which need not be their ids.
    let mut by_name: HashMap<&str, Option<usize>> = HashMap::new();
    for (number, (_, task)) in tasks.iter().enumerate() {
        if let Some(name) = &task.name {
            by_name.entry(name).and_modify(|it| *it = None).or_insert(Some(number));
        }
    }
    let find = |graph: &WeightedGraphBuilder, name: &str| match graph.find(name) {
        Some(number) => Ok(number),
        None => match by_name.get(name) {
            Some(&Some(number)) => Ok(number),
            _ => graph.number(name),
        },
    };
    let written: Vec<HashSet<&str>> =
        tasks.iter().map(|(_, task)| files(task, &task.output_files, "output").collect()).collect();
    let mut seen = HashSet::new();
    for (number, (line, task)) in tasks.iter().enumerate() {
        graph.at_line(*line);
        let mut ends = Vec::new();
        for parent in &task.parents {
            ends.push((find(&graph, parent)?, number));
        }
        for child in &task.children {
            ends.push((number, find(&graph, child)?));
        }
        for (from, to) in ends {
            // An edge stands at both its ends.
            if !seen.insert((from, to)) {
                continue;
            }
            let reader = &tasks[to].1;
            let read: HashSet<&str> = files(reader, &reader.input_files, "input").collect();
            let mut common: Vec<&str> = read.intersection(&written[from]).copied().collect();
            // Sums have the same bits every time.
            common.sort_unstable();
            let bytes = common.iter().map(|&it| sizes.get(it).copied().unwrap_or(0.0)).sum();
            graph.edge(from, to, Communication::Bytes(bytes))?;
        }
    }
    graph.build()
}

/// The files of a task of either version.
fn files<'t>(
    task: &'t Task,
    named: &'t [String],
    link: &'static str,
) -> impl Iterator<Item = &'t str> {
    let linked = task.files.iter().filter(move |file| file.link == link);
    named.iter().map(String::as_str).chain(linked.map(|file| file.name.as_str()))
}

/// Every edge is a file of its bytes. Where a name is no identifier of the format, the identifier is made of its number and its
/// letters.
fn write(graph: &WeightedGraph) -> Result<String> {
    let cant = |problem: &str| {
        refuse(format!("graph `{}`", graph.name()), problem, "write it as .toml or .dot")
    };
    if graph.tasks().iter().any(|task| !task.costs.is_empty() || task.release > 0.0) {
        return Err(cant("WfFormat knows neither releases nor costs by worker"));
    }
    if graph.edges().iter().any(|it| matches!(it.communication, Communication::Seconds(_))) {
        return Err(cant("WfFormat knows bytes of files, and no seconds of messages"));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let all_plain = graph.tasks().iter().all(|task| task.name.chars().all(plain));
    let id = |task: usize| {
        let name = &graph.tasks()[task].name;
        if all_plain {
            return name.clone();
        }
        format!("{task}_{}", name.replace(|c| !plain(c), "_"))
    };
    let file = |from: usize, to: usize| format!("{}.to.{}", id(from), id(to));
    let specified = |task: usize| {
        let incoming = || graph.incoming(task);
        let outgoing = || graph.outgoing(task).iter();
        json!({
            "name": graph.tasks()[task].name,
            "id": id(task),
            "parents": incoming().map(|edge| id(edge.from)).collect::<Vec<_>>(),
            "children": outgoing().map(|edge| id(edge.to)).collect::<Vec<_>>(),
            "inputFiles": incoming().map(|edge| file(edge.from, task)).collect::<Vec<_>>(),
            "outputFiles": outgoing().map(|edge| file(task, edge.to)).collect::<Vec<_>>(),
        })
    };
    let executed = |task: usize| {
        let it = &graph.tasks()[task];
        json!({ "id": id(task), "runtimeInSeconds": it.cost, "coreCount": it.workers })
    };
    let count = graph.task_count();
    let tasks = (0..count).map(specified).collect::<Vec<Value>>();
    let files = graph.edges().iter().map(|edge| {
        let bytes = edge.communication.bytes().round() as u64;
        json!({ "id": file(edge.from, edge.to), "sizeInBytes": bytes })
    });
    let workflow = json!({
        "name": graph.name(),
        "schemaVersion": "1.6",
        "workflow": {
            "specification": { "tasks": tasks, "files": files.collect::<Vec<Value>>() },
            // The sum of all runtimes, as of one worker, at no time in particular.
            "execution": {
                "makespanInSeconds": graph.work(),
                "executedAt": "1970-01-01T00:00:00Z",
                "tasks": (0..count).map(executed).collect::<Vec<Value>>(),
            },
        },
    });
    let mut text = serde_json::to_string_pretty(&workflow)
        .map_err(|error| cant(&format!("it is no JSON: {error}")))?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests;
