//! Writes model files.

use std::fmt::Write;

use toml::{Table, Value};

use super::blocks::Content;
use super::{CustomKinds, Model, kinds};
use crate::context::{Convolution, Precision};
use crate::data::augmentation_value;
use crate::error::{Error, Result};
use crate::graph::{Graph, Node, Role};
use crate::optimizers::Optimizer;

pub(super) fn write(model: &Model, custom: &CustomKinds) -> Result<String> {
    let graph = &model.graph;
    let mut text = format!("name = {}\n", quoted(graph.name()));
    if graph.convolution() != Convolution::default() {
        line(&mut text, "convolution", &quoted(graph.convolution().name()));
    }
    if graph.precision() != Precision::default() {
        line(&mut text, "precision", &quoted(graph.precision().name()));
    }
    let outputs = graph.declared_outputs();
    if !outputs.is_empty() {
        line(&mut text, "outputs", &list(outputs.into_iter()));
    }
    let default_weight = graph.default_weight();
    for (id, node) in graph.nodes().iter().enumerate() {
        text.push_str("\n[[node]]\n");
        line(&mut text, "name", &quoted(&node.name));
        line(&mut text, "kind", &quoted(node.role.kind()));
        if !node.inputs.is_empty() {
            let names = node.inputs.iter().map(|&input| graph.nodes()[input].name.as_str());
            line(&mut text, "inputs", &list(names));
        }
        if let Some(owner) = graph.shares(id) {
            line(&mut text, "shares", &quoted(&graph.nodes()[owner].name));
        }
        for (name, value) in &attributes(graph, node, custom)? {
            line(&mut text, name, value);
        }
        if let Some(columns) = model.data.nodes.get(&node.name) {
            for (name, value) in &columns.attributes() {
                line(&mut text, name, value);
            }
        }
        let augmentations = model.training.augment.get(&node.name);
        if let Some(list) = augmentations.filter(|list| !list.is_empty()) {
            let values = list.iter().map(|it| augmentation_value(it.as_ref()));
            let values = values.collect::<Result<Vec<_>, _>>().map_err(|problem| {
                let remedy = "use one of the table";
                Error::node(&node.name, format!("no file can hold it: {problem}"), remedy)
            })?;
            line(&mut text, "augment", &shorten(&Value::Array(values)));
        }
        if let Role::Loss { weight, .. } = node.role
            && weight.to_bits() != default_weight.to_bits()
        {
            line(&mut text, "weight", &short_float(f64::from(weight)));
        }
    }
    let training = &model.training;
    text.push_str("\n[train]\n");
    line(&mut text, "batch_size", &kinds::integer(training.batch_size));
    // What has no loss is not trained.
    if !graph.losses().is_empty() {
        line(&mut text, "epochs", &kinds::integer(training.epochs));
        let _ = writeln!(text, "optimizer = {}", optimizer(model, custom)?);
        if let Some(alpha) = training.mix_up {
            line(&mut text, "mix_up", &Value::Float(alpha));
        }
    }
    Ok(text)
}

/// The attributes of a node. That they read back as the same is sure, or an error.
fn attributes(graph: &Graph, node: &Node, custom: &CustomKinds) -> Result<Table> {
    let kind = node.role.kind();
    let exact = kinds::attributes(&graph.draft(node));
    let read = |table: &Table| {
        kinds::parse(custom, kind, table.clone()).and_then(|content| match content {
            Content::Node(role) => Ok(kinds::attributes(&role)),
            Content::Block(_) => Err((format!("`{kind}` is a block"), String::new())),
        })
    };
    let unreadable = |problem: String| {
        Error::node(
            &node.name,
            format!("no file can hold it: {problem}"),
            format!(
                "use a layer, loss or metric of the tables, or register `{kind}` with \
                 `CustomKinds`, and write and read with the functions that take these"
            ),
        )
    };
    match read(&exact) {
        Err((problem, _)) => Err(unreadable(problem)),
        Ok(again) if again != exact => {
            Err(unreadable(format!("from its attributes, `{kind}` is read as another one")))
        }
        Ok(_) => Ok(shortened(&exact, |short| read(short).is_ok_and(|again| again == exact))),
    }
}

/// The optimizer as an inline table.
fn optimizer(model: &Model, custom: &CustomKinds) -> Result<String> {
    let optimizer = model.training.optimizer.as_ref();
    let kind = optimizer.kind();
    kinds::parse_optimizer(custom, kind, optimizer.attributes()).map_err(|(problem, _)| {
        Error::Training {
            problem: format!("no file can hold optimizer `{kind}`: {problem}"),
            remedy: "use one of the table, or register it with `CustomKinds`".to_owned(),
        }
    })?;
    let kind = format!("kind = {}", quoted(kind));
    let all = [vec![kind], settings_with(optimizer, custom)].concat();
    Ok(format!("{{ {} }}", all.join(", ")))
}

/// The settings of an optimizer, each as in `momentum = 0.9`.
pub(crate) fn settings(optimizer: &dyn Optimizer) -> Vec<String> {
    settings_with(optimizer, &CustomKinds::new())
}

fn settings_with(optimizer: &dyn Optimizer, custom: &CustomKinds) -> Vec<String> {
    let exact = optimizer.attributes();
    let reads_the_same = |short: &Table| {
        kinds::parse_optimizer(custom, optimizer.kind(), short.clone())
            .is_ok_and(|read| read.attributes() == exact)
    };
    let short = shortened(&exact, reads_the_same);
    short.iter().map(|(name, value)| format!("{} = {value}", key(name))).collect()
}

fn line(text: &mut String, name: &str, value: &Value) {
    let _ = writeln!(text, "{} = {value}", key(name));
}

/// A key as it is, where the format allows that, or else in quotes.
fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) {
        name.to_owned()
    } else {
        quoted(name).to_string()
    }
}

fn quoted(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> Value {
    Value::Array(names.map(quoted).collect())
}

/// The attributes with 32-bit floats in their shortest form, if they are then read as the same.
fn shortened(exact: &Table, reads_the_same: impl Fn(&Table) -> bool) -> Table {
    let short: Table = exact.iter().map(|(name, value)| (name.clone(), shorten(value))).collect();
    if reads_the_same(&short) { short } else { exact.clone() }
}

fn shorten(value: &Value) -> Value {
    match value {
        Value::Float(number) => short_float(*number),
        Value::Array(values) => Value::Array(values.iter().map(shorten).collect()),
        Value::Table(table) => {
            Value::Table(table.iter().map(|(name, value)| (name.clone(), shorten(value))).collect())
        }
        other => other.clone(),
    }
}

/// The shortest number that is the same as a 32-bit float: 0.01, not 0.009999999776482582.
fn short_float(number: f64) -> Value {
    let narrow = number as f32;
    let short = narrow.to_string().parse::<f64>().unwrap_or(number);
    let same = f64::from(narrow).to_bits() == number.to_bits()
        && (short as f32).to_bits() == narrow.to_bits();
    Value::Float(if same { short } else { number })
}
