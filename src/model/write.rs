//! Writes model files.

use std::fmt::Write;

use toml::{Table, Value};

use super::{Model, declared_outputs, kinds};
use crate::graph::Role;
use crate::optimizers::{self, Optimizer};

pub(super) fn write(model: &Model) -> String {
    let graph = &model.graph;
    let mut text = format!("name = {}\n", quoted(graph.name()));
    let outputs = declared_outputs(graph);
    if !outputs.is_empty() {
        line(&mut text, "outputs", &list(outputs.into_iter()));
    }
    let default_weight = 1.0 / graph.losses().len().max(1) as f32;
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
        let exact = kinds::attributes(&kinds::draft(node));
        let reads_the_same = |short: &Table| {
            kinds::parse(node.role.kind(), short.clone())
                .is_ok_and(|role| kinds::attributes(&role) == exact)
        };
        for (name, value) in &shortened(&exact, reads_the_same) {
            line(&mut text, name, value);
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
    line(&mut text, "epochs", &kinds::integer(training.epochs));
    let kind = quoted(training.optimizer.kind());
    let settings = settings(training.optimizer.as_ref());
    let settings: String = settings.iter().map(|setting| format!(", {setting}")).collect();
    let _ = writeln!(text, "optimizer = {{ kind = {kind}{settings} }}");
    text
}

/// The settings of an optimizer, each as in `momentum = 0.9`.
pub(crate) fn settings(optimizer: &dyn Optimizer) -> Vec<String> {
    let exact = optimizer.attributes();
    let reads_the_same = |short: &Table| {
        let spec = optimizers::find(optimizer.kind()).ok();
        spec.and_then(|spec| (spec.parse)(short.clone()).ok())
            .is_some_and(|optimizer| optimizer.attributes() == exact)
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
