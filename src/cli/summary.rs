//! `caudal summary`: the network as a table.

use std::num::NonZeroUsize;

use caudal::context::Mode;
use caudal::describe_shape;
use caudal::graph::{Graph, NodeId, Role};
use caudal::layers::ParameterKind;
use caudal::plan::{Plan, PlanOptions};
use caudal::report::parameter_groups;
use clap::Args;
use serde_json::{Value, json};

use super::output::{columns, line, printable};
use super::{Stop, options};

/// Prints a network as a table: its nodes with their inputs, shapes, parameters, memory and work.
///
/// `bytes` are those of a node's output for a batch. `Mflop` counts the floating-point operations of a layer's
/// forward task for a batch, in millions, from shapes alone; each of its two gradients is taken to be as much work.
/// The work of losses and metrics is not counted.
#[derive(Debug, Args)]
pub(super) struct Summary {
    /// A preset's name, a .toml file or a saved .safetensors file [default: the default preset]
    #[arg(value_name = "MODEL")]
    model: Option<String>,
    /// Items in a batch [default: the model's]
    #[arg(long, value_name = "N")]
    batch_size: Option<NonZeroUsize>,
    /// One JSON object on one line
    #[arg(long)]
    json: bool,
}

/// What the table says of a node.
struct Row<'a> {
    name: &'a str,
    kind: &'a str,
    inputs: Vec<&'a str>,
    shape: &'a [usize],
    parameters: usize,
    /// What is said of the parameters where that is not as usual.
    note: String,
    bytes: u64,
    flops: f64,
}

impl Summary {
    pub(super) fn run(self) -> Result<(), Stop> {
        let model = options::open_model(self.model.as_deref())?;
        let graph = &model.graph;
        let batch = self.batch_size.map_or(model.training.batch_size, NonZeroUsize::get);
        let rows: Vec<Row<'_>> =
            graph.topological_order().iter().map(|&id| row(graph, id, batch)).collect();
        let mode = if graph.losses().is_empty() { Mode::Prediction } else { Mode::Training };
        let optimizer = &model.training.optimizer;
        let plan = Plan::compile(graph, mode, batch, optimizer, PlanOptions::default())?;
        let totals = totals(graph);
        if self.json {
            let rows: Vec<Value> = rows.iter().map(Row::json).collect();
            let object = json!({
                "model": graph.name(),
                "batch_size": batch,
                "nodes": rows,
                "parameters": totals.learned,
                "trained_parameters": totals.trained,
                "statistics": totals.statistics,
                "parameter_bytes": 4 * (totals.learned + totals.statistics),
                "plan": { "mode": mode_name(mode), "tasks": plan.task_count(), "flops": plan.flops(), "bytes": plan.run_bytes() },
            });
            return line(object.to_string());
        }
        let heads = ["node", "kind", "inputs", "shape", "parameters", "bytes", "Mflop"];
        let heads = vec![heads.map(str::to_owned).to_vec()];
        let cells: Vec<Vec<String>> =
            heads.into_iter().chain(rows.iter().map(Row::cells)).collect();
        line(format!("{}, on batches of {batch}", printable(graph.name())))?;
        for text in columns(&cells, |column| column < 4) {
            line(text)?;
        }
        for row in rows.iter().filter(|row| !row.note.is_empty()) {
            line(format!("{}: {}", printable(row.name), row.note))?;
        }
        let groups = parameter_groups(graph, optimizer.as_ref())?;
        for text in groups.iter().filter(|_| groups.len() > 1) {
            line(printable(text))?;
        }
        line(totals.to_string())?;
        line(format!(
            "one {}: {} tasks, {:.3} Gflop, {:.1} MB beside the parameters",
            if mode == Mode::Training { "training step" } else { "prediction" },
            plan.task_count(),
            plan.flops() / 1e9,
            plan.run_bytes() as f64 / 1e6
        ))
    }
}

/// The first of many inputs, and how many more there are.
fn shown(inputs: &[&str]) -> String {
    const SHOWN: usize = 8;
    match inputs.len().saturating_sub(SHOWN) {
        0 => inputs.join(", "),
        more => format!("{} and {more} more", inputs[..SHOWN].join(", ")),
    }
}

fn mode_name(mode: Mode) -> &'static str {
    if mode == Mode::Training { "training" } else { "prediction" }
}

fn row(graph: &Graph, id: NodeId, batch: usize) -> Row<'_> {
    let node = &graph.nodes()[id];
    let shapes: Vec<&[usize]> =
        node.inputs.iter().map(|&input| graph.nodes()[input].shape.as_slice()).collect();
    let flops = match &node.role {
        Role::Layer(layer) => layer.cost(&shapes, &node.shape).flops * batch as f64,
        _ => 0.0,
    };
    let own = graph.shares(id).is_none();
    let parameters = node.parameters.iter().map(|&index| &graph.parameters()[index]);
    let mut notes = Vec::new();
    if let Some(owner) = graph.shares(id) {
        notes.push(format!("uses the parameters of {}", printable(&graph.nodes()[owner].name)));
    } else if !node.parameters.is_empty() && !graph.trains(id) {
        notes.push("its parameters are not trained".to_owned());
    }
    for parameter in parameters.clone().filter(|_| own) {
        if parameter.learning_rate_factor.to_bits() != 1f32.to_bits() {
            let factor = parameter.learning_rate_factor;
            notes.push(format!("{} has {factor} of the learning rate", parameter.spec.name));
        }
        if let Some(regularizer) = &parameter.regularizer {
            notes.push(format!("{} on {}", regularizer.kind(), parameter.spec.name));
        }
    }
    Row {
        name: &node.name,
        kind: node.role.kind(),
        inputs: node.inputs.iter().map(|&input| graph.nodes()[input].name.as_str()).collect(),
        shape: &node.shape,
        parameters: if own { parameters.map(|it| it.spec.count()).sum() } else { 0 },
        note: notes.join("; "),
        bytes: node
            .shape
            .iter()
            .fold(4 * batch as u64, |all, &axis| all.saturating_mul(axis as u64)),
        flops,
    }
}

impl Row<'_> {
    fn cells(&self) -> Vec<String> {
        let number = |number: f64, digits: usize| {
            if number == 0.0 { String::new() } else { format!("{number:.digits$}") }
        };
        vec![
            self.name.to_owned(),
            self.kind.to_owned(),
            shown(&self.inputs),
            describe_shape(self.shape),
            number(self.parameters as f64, 0),
            self.bytes.to_string(),
            number(self.flops / 1e6, 3),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "kind": self.kind,
            "inputs": self.inputs,
            "shape": self.shape,
            "parameters": self.parameters,
            "note": self.note,
            "bytes": self.bytes,
            "flops": self.flops,
        })
    }
}

/// How many numbers a network has.
struct Totals {
    nodes: usize,
    learned: usize,
    trained: usize,
    statistics: usize,
}

fn totals(graph: &Graph) -> Totals {
    let mut totals = Totals { nodes: graph.nodes().len(), learned: 0, trained: 0, statistics: 0 };
    for parameter in graph.parameters() {
        let count = parameter.spec.count();
        if parameter.spec.kind == ParameterKind::Statistic {
            totals.statistics += count;
        } else {
            totals.learned += count;
            totals.trained += if parameter.trainable { count } else { 0 };
        }
    }
    totals
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { nodes, learned, trained, statistics } = *self;
        let bytes = 4 * (learned + statistics);
        write!(f, "{nodes} nodes, {learned} parameters, {trained} of them trained")?;
        if statistics > 0 {
            write!(f, ", and {statistics} statistics")?;
        }
        write!(f, ": {bytes} bytes")
    }
}
