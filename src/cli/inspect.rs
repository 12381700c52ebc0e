//! `caudal inspect`: what a saved model holds.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use caudal::data::{ColumnEncoder, DataConfig, Encoding, NodeEncoder, Share};
use caudal::model::Model;
use caudal::onnx::{self, Imported};
use caudal::plan::{Convolution, Precision};
use caudal::train::Checkpoint;
use caudal::train::checkpoint::{self, FitRecord};
use caudal::{Tensor, describe_shape};
use clap::Args;
use serde_json::{Value, json};

use super::output::{columns, line, printable};
use super::{Stop, options};

/// More words of a column are counted, not listed.
const MOST_WORDS: usize = 12;

/// Shows what a saved model holds: its network, how and on what it was trained, which columns of a table feed it,
/// and its parameters with their shapes and the spread of their numbers.
///
/// `caudal summary` shows its nodes, and `caudal graph` draws them.
#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// A model that `caudal train --save` or `caudal freeze` wrote, or an .onnx file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Lists the arrays of the optimizer's state and of early stopping too
    #[arg(long)]
    all: bool,
    /// One JSON object on one line
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(super) fn run(self) -> Result<(), Stop> {
        if options::is_onnx(&self.file) {
            return self.onnx();
        }
        let (model, checkpoint) = checkpoint::open(&self.file)?;
        let parameters = model.graph.parameters().iter().map(|it| it.name.as_str());
        let parameters: HashSet<&str> = parameters.collect();
        let listed = |(name, _): &(&str, &Tensor)| self.all || parameters.contains(name);
        let arrays: Vec<_> = checkpoint.tensors().filter(listed).collect();
        let others = checkpoint.tensors().count() - arrays.len();
        if self.json {
            let training = &model.training;
            let data = checkpoint.data();
            let object = json!({
                "model": model.graph.name(),
                "nodes": model.graph.nodes().len(),
                "parameters": model.graph.parameter_count(),
                "convolution": model.graph.convolution(),
                "precision": model.graph.precision(),
                "step": checkpoint.step(),
                "epochs": training.epochs,
                "batch_size": training.batch_size,
                "optimizer": training.optimizer.kind(),
                "optimizer_attributes": training.optimizer.attributes(),
                "fit": checkpoint.fit(),
                "data": data.fitted.as_deref(),
                "arrays": described(&arrays),
            });
            return line(object.to_string());
        }
        for text in about(&self.file, &model, &checkpoint) {
            line(text)?;
        }
        line("")?;
        for text in table(&arrays) {
            line(text)?;
        }
        if others > 0 {
            line(format!(
                "and {others} arrays of the optimizer or of early stopping, which --all lists"
            ))?;
        }
        Ok(())
    }

    /// What an ONNX file holds, which knows nothing of a training.
    fn onnx(&self) -> Result<(), Stop> {
        let Imported { model, weights, channels_last, batch_axes, training_file, .. } =
            onnx::open(&self.file)?;
        let arrays: Vec<(&str, &Tensor)> =
            weights.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let graph = &model.graph;
        if self.json {
            let object = json!({
                "model": graph.name(),
                "nodes": graph.nodes().len(),
                "parameters": graph.parameter_count(),
                "channels_last": channels_last,
                "batch_axes": batch_axes,
                "training_file": training_file.map(|file| file.display().to_string()),
                "arrays": described(&arrays),
            });
            return line(object.to_string());
        }
        line(said("file", self.file.display().to_string()))?;
        let (nodes, parameters) = (graph.nodes().len(), graph.parameter_count());
        let text = format!("{}: {nodes} nodes, {parameters} parameters", graph.name());
        line(said("model", text))?;
        for (heading, ids) in [("inputs", graph.inputs()), ("outputs", graph.outputs().to_vec())] {
            let end = |&id: &usize| {
                let node = &graph.nodes()[id];
                format!("{} ({})", node.name, describe_shape(&node.shape))
            };
            line(said(heading, ids.iter().map(end).collect::<Vec<_>>().join(", ")))?;
        }
        if !channels_last.is_empty() {
            line(said("turned", format!("{}: channels last here", channels_last.join(", "))))?;
        }
        for (name, axis) in &batch_axes {
            line(said(
                "turned",
                format!("{name}: the batch is first here, and axis {axis} in the file"),
            ))?;
        }
        if let Some(file) = training_file {
            let losses = graph.losses().into_iter().map(|id| graph.nodes()[id].name.as_str());
            let losses = losses.collect::<Vec<_>>().join(", ");
            line(said("training", format!("{}, losses: {losses}", file.display())))?;
        }
        line("")?;
        for text in table(&arrays) {
            line(text)?;
        }
        Ok(())
    }
}

/// Arrays with their names, shapes and spreads.
fn described(arrays: &[(&str, &Tensor)]) -> Vec<Value> {
    let array = |(name, tensor): &(&str, &Tensor)| {
        let mut array = json!(Spread::of(tensor));
        if let Value::Object(array) = &mut array {
            array.insert("name".to_owned(), json!(name));
            array.insert("shape".to_owned(), json!(tensor.shape()));
        }
        array
    };
    arrays.iter().map(array).collect()
}

/// A line of what is said, below its heading.
fn said(heading: &str, text: impl AsRef<str>) -> String {
    format!("{heading:<11} {}", printable(text.as_ref()))
}

fn about(file: &Path, model: &Model, checkpoint: &Checkpoint) -> Vec<String> {
    let Model { graph, training, .. } = model;
    let convolution = match graph.convolution() {
        Convolution::Auto => String::new(),
        other => format!(", convolutions {other}"),
    };
    let precision = match graph.precision() {
        Precision::F32 => String::new(),
        other => format!(", precision {other}"),
    };
    let bytes = std::fs::metadata(file).map_or(0, |file| file.len());
    let mut lines = vec![
        said("file", format!("{}, {bytes} bytes", file.display())),
        said(
            "model",
            format!(
                "{}: {} nodes, {} parameters{convolution}{precision}",
                graph.name(),
                graph.nodes().len(),
                graph.parameter_count()
            ),
        ),
    ];
    let end = |ids: &[usize]| -> Vec<String> {
        let node = |&id: &usize| {
            let node = &graph.nodes()[id];
            format!("{} ({})", node.name, describe_shape(&node.shape))
        };
        ids.iter().map(node).collect()
    };
    let ends = [
        ("inputs", graph.inputs()),
        ("targets", graph.targets()),
        ("outputs", graph.outputs().to_vec()),
        ("losses", graph.losses()),
        ("metrics", graph.metrics()),
    ];
    for (heading, ids) in ends.iter().filter(|(_, ids)| !ids.is_empty()) {
        lines.push(said(heading, end(ids).join(", ")));
    }
    let attributes = training.optimizer.attributes();
    let attributes = attributes.iter().map(|(name, value)| match value.as_float() {
        // Files hold it as the nearest number of twice as many bits.
        Some(number) => format!(", {name} = {}", number as f32),
        None => format!(", {name} = {value}"),
    });
    let attributes: String = attributes.collect();
    lines.push(said("optimizer", format!("{}{attributes}", training.optimizer.kind())));
    lines.push(said("step", progress(model, checkpoint)));
    if let Some(fit) = checkpoint.fit() {
        lines.extend(trained_on(fit));
    }
    lines.extend(prepared(checkpoint.data()));
    lines
}

/// How far training has come.
fn progress(model: &Model, checkpoint: &Checkpoint) -> String {
    let (step, training) = (checkpoint.step(), &model.training);
    let items = checkpoint.fit().map_or(0, |fit| fit.items);
    let size = training.batch_size.max(1);
    if items == 0 {
        return format!("{step}, on batches of {size}");
    }
    let batches = items.div_ceil(size).max(1) as u64;
    let batches = match checkpoint.fit().and_then(|fit| fit.max_batches) {
        Some(most) => batches.min(most.max(1) as u64),
        None => batches,
    };
    format!("{step}, about {:.1} epochs on batches of {size}", step as f64 / batches as f64)
}

fn trained_on(fit: &FitRecord) -> Vec<String> {
    let data = fit.data.as_deref().unwrap_or("data without a name");
    let (items, order, seed) = (fit.items, &fit.order, fit.seed);
    let micro_batches = fit.micro_batches.map(|count| format!(", {count} micro-batches"));
    let micro_batches = micro_batches.unwrap_or_default();
    let text = format!("{data}, {items} training items, order {order}, seed {seed}{micro_batches}");
    let mut lines = vec![said("data", text)];
    if let Some(patience) = fit.patience {
        let best = fit.stopping.as_ref().and_then(|state| state.best);
        let best = best.map_or_else(String::new, |best| format!(", best {best:.6}"));
        lines.push(said("stopping", format!("watches {}, patience {patience}{best}", fit.watch)));
    }
    lines
}

/// How the data were divided, and how columns become numbers.
fn prepared(data: &DataConfig) -> Vec<String> {
    let Some(fitted) = &data.fitted else { return Vec::new() };
    let split = &fitted.split;
    let share = |share: &Option<Share>| match share {
        None => "as the data bring it".to_owned(),
        Some(Share::Fraction(part)) => part.to_string(),
        Some(Share::File(file)) => file.clone(),
        Some(_) => "otherwise".to_owned(),
    };
    let parts = if let Some(column) = &split.by {
        format!("by column {column}")
    } else {
        let group = split.group.iter().map(|name| format!(", groups of {name}"));
        let validation = match &split.validation {
            None => "none".to_owned(),
            some => share(some),
        };
        let (test, seed) = (share(&split.test), split.seed);
        let group = group.collect::<String>();
        format!("validation {validation}, test {test}, split seed {seed}{group}")
    };
    let mut lines = vec![said("parts", parts)];
    let nodes = fitted.encoder.as_ref().map_or(&[][..], |encoder| &encoder.nodes);
    for NodeEncoder { node, columns, .. } in nodes {
        for (number, ColumnEncoder { column, encoding, .. }) in columns.iter().enumerate() {
            let heading = if number == 0 { "columns" } else { "" };
            let text = format!("{node} takes {column}: {}", encoded(encoding));
            lines.push(said(heading, text));
        }
    }
    lines
}

/// What the text of a column stands for.
fn encoded(encoding: &Encoding) -> String {
    match encoding {
        Encoding::Number { offset, scale, missing, indicator, .. } => {
            let scaled = if *offset == 0.0 && *scale == 1.0 {
                "numbers as they are".to_owned()
            } else {
                format!("(number - {offset}) / {scale}")
            };
            let missing = missing.map(|number| format!(", {number} where missing"));
            let indicator = if *indicator { ", and whether it is missing" } else { "" };
            format!("{scaled}{}{indicator}", missing.unwrap_or_default())
        }
        Encoding::Class(classes) => format!("classes below {classes}"),
        Encoding::Word { words, one_hot, .. } => {
            let form = if *one_hot { "one-hot" } else { "index" };
            let listed = words.iter().take(MOST_WORDS).map(String::as_str).collect::<Vec<_>>();
            let more = words.len() - listed.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{form} of {}{more}", listed.join(", "))
        }
        _ => "in a way of its own".to_owned(),
    }
}

/// How the numbers of an array are spread.
#[derive(serde::Serialize)]
struct Spread {
    least: Option<f32>,
    mean: f64,
    largest: Option<f32>,
    deviation: f64,
    zeros: usize,
    not_finite: usize,
}

impl Spread {
    /// Of the finite numbers of an array.
    fn of(tensor: &Tensor) -> Self {
        let finite = || tensor.iter().copied().filter(|number| number.is_finite());
        let count = finite().count();
        let mean = finite().map(f64::from).sum::<f64>() / count.max(1) as f64;
        let squares = finite().map(|number| (f64::from(number) - mean).powi(2)).sum::<f64>();
        Self {
            least: finite().min_by(f32::total_cmp),
            mean,
            largest: finite().max_by(f32::total_cmp),
            deviation: (squares / count.max(1) as f64).sqrt(),
            zeros: finite().filter(|&number| number == 0.0).count(),
            not_finite: tensor.len() - count,
        }
    }
}

fn table(arrays: &[(&str, &Tensor)]) -> Vec<String> {
    let heads = ["array", "shape", "least", "mean", "largest", "deviation", "zeros", ""];
    let shown = |number: Option<f32>| number.map_or("-".to_owned(), |it| format!("{it:.4e}"));
    let row = |(name, tensor): &(&str, &Tensor)| {
        let spread = Spread::of(tensor);
        let bad = match spread.not_finite {
            0 => String::new(),
            count => format!("{count} infinite or no number"),
        };
        vec![
            (*name).to_owned(),
            describe_shape(tensor.shape()),
            shown(spread.least),
            format!("{:.4e}", spread.mean),
            shown(spread.largest),
            format!("{:.4e}", spread.deviation),
            spread.zeros.to_string(),
            bad,
        ]
    };
    let heads = heads.map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> = [heads].into_iter().chain(arrays.iter().map(row)).collect();
    columns(&rows, |column| column < 2 || column == 7)
}
