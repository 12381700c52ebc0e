//! From the kind and attributes of a model file to what a node computes, and back, by the tables.

use std::sync::Arc;

use super::CustomKinds;
use crate::attributes::suggest;
use crate::data::DATA_ATTRIBUTES;
use crate::graph::{DraftRole, TRAINING_ATTRIBUTES, TrainingSettings};
use crate::layers::LAYERS;
use crate::losses::LOSSES;
use crate::metrics::METRICS;
use crate::optimizers::{OPTIMIZERS, Optimizer};
use crate::tensor::Shape;

pub(super) const INPUT: &str = "input";
pub(super) const TARGET: &str = "target";

/// All kinds of nodes in the tables.
pub(super) fn built_in() -> impl Iterator<Item = &'static str> {
    let layers = LAYERS.iter().map(|spec| spec.kind);
    let losses = LOSSES.iter().map(|spec| spec.kind);
    let metrics = METRICS.iter().map(|spec| spec.kind);
    [INPUT, TARGET].into_iter().chain(layers).chain(losses).chain(metrics)
}

/// What went wrong, and what to do.
pub(super) type Refusal = (String, String);

fn refusal(kind: &str, attributes: &[(&str, &str)], problem: String) -> Refusal {
    let remedy = if attributes.is_empty() {
        format!("`{kind}` has no attributes; remove it")
    } else {
        let known = attributes.iter().map(|(name, meaning)| format!("`{name}` ({meaning})"));
        format!("the attributes of `{kind}` are {}", known.collect::<Vec<_>>().join(", "))
    };
    (problem, remedy)
}

/// What a node of `kind` with `attributes` computes.
pub(super) fn parse(
    custom: &CustomKinds,
    kind: &str,
    mut attributes: toml::Table,
) -> Result<DraftRole, Refusal> {
    if kind == INPUT || kind == TARGET {
        let shape = shape(kind, attributes)?;
        return Ok(if kind == INPUT { DraftRole::Input(shape) } else { DraftRole::Target(shape) });
    }
    if let Some(spec) = LAYERS.iter().find(|spec| spec.kind == kind) {
        let settings = training_settings(kind, &mut attributes)?;
        return (spec.parse)(attributes).map(|layer| DraftRole::Layer(layer, settings)).map_err(
            |problem| {
                let (problem, remedy) = refusal(kind, spec.attributes, problem);
                let more = TRAINING_ATTRIBUTES.iter().map(|(name, _)| format!("`{name}`"));
                let more = more.collect::<Vec<_>>().join(", ");
                (problem, format!("{remedy}; layers with parameters also have {more}"))
            },
        );
    }
    if let Some(spec) = LOSSES.iter().find(|spec| spec.kind == kind) {
        let weight = attributes.remove("weight").map(number).transpose()?;
        return (spec.parse)(attributes)
            .map(|loss| DraftRole::Loss(loss, weight))
            .map_err(|problem| refusal(kind, spec.attributes, problem));
    }
    if let Some(spec) = METRICS.iter().find(|spec| spec.kind == kind) {
        return (spec.parse)(attributes)
            .map(DraftRole::Metric)
            .map_err(|problem| refusal(kind, spec.attributes, problem));
    }
    parse_custom(custom, kind, attributes)
}

/// Takes what is said of a layer's training out of its attributes.
fn training_settings(
    kind: &str,
    attributes: &mut toml::Table,
) -> Result<TrainingSettings, Refusal> {
    TrainingSettings::take(attributes)
        .map_err(|problem| refusal(kind, TRAINING_ATTRIBUTES, problem))
}

/// As [`parse`], for kinds that are in no table.
fn parse_custom(
    custom: &CustomKinds,
    kind: &str,
    mut attributes: toml::Table,
) -> Result<DraftRole, Refusal> {
    let refused = |problem| (problem, format!("`{kind}` is a kind of your own; see what it reads"));
    if let Some(parse) = custom.layers.get(kind) {
        let settings = training_settings(kind, &mut attributes)?;
        let layer = parse(attributes).map_err(refused)?;
        return Ok(DraftRole::Layer(layer, settings));
    }
    if let Some(parse) = custom.losses.get(kind) {
        let weight = attributes.remove("weight").map(number).transpose()?;
        return parse(attributes).map(|loss| DraftRole::Loss(loss, weight)).map_err(refused);
    }
    if let Some(parse) = custom.metrics.get(kind) {
        return parse(attributes).map(DraftRole::Metric).map_err(refused);
    }
    let mut known: Vec<&str> = built_in().collect();
    known.extend(custom.nodes());
    Err((format!("there is no kind `{kind}`"), suggest(kind, known.into_iter(), "kinds")))
}

/// The optimizer of `kind` with `attributes`.
pub(super) fn parse_optimizer(
    custom: &CustomKinds,
    kind: &str,
    attributes: toml::Table,
) -> Result<Arc<dyn Optimizer>, Refusal> {
    if let Some(spec) = OPTIMIZERS.iter().find(|spec| spec.kind == kind) {
        return (spec.parse)(attributes).map_err(|problem| refusal(kind, spec.attributes, problem));
    }
    if let Some(parse) = custom.optimizers.get(kind) {
        return parse(attributes).map_err(|problem| (problem, "correct it".to_owned()));
    }
    let mut known: Vec<&str> = OPTIMIZERS.iter().map(|spec| spec.kind).collect();
    known.extend(custom.optimizers.keys().map(String::as_str));
    Err(("there is no such kind".to_owned(), suggest(kind, known.into_iter(), "optimizers")))
}

fn shape(kind: &str, mut attributes: toml::Table) -> Result<Shape, Refusal> {
    let remedy = || {
        "write the shape of one item, as in `shape = [28, 28, 1]`, or `[]` for one number an item"
            .to_owned()
    };
    let Some(value) = attributes.remove("shape") else {
        return Err((format!("a node of kind `{kind}` needs a `shape`"), remedy()));
    };
    if let Some(key) = attributes.keys().next() {
        let known = ["shape"].into_iter().chain(DATA_ATTRIBUTES.iter().map(|row| row.0));
        return Err((
            format!("unknown attribute `{key}`"),
            suggest(key, known, &format!("attributes of `{kind}`")),
        ));
    }
    let sizes = match &value {
        toml::Value::Array(sizes) => sizes
            .iter()
            .map(|size| size.as_integer().and_then(|size| usize::try_from(size).ok()))
            .collect::<Option<Shape>>(),
        _ => None,
    };
    sizes.ok_or_else(|| (format!("its `shape` is {value}, not a list of sizes"), remedy()))
}

fn number(value: toml::Value) -> Result<f32, Refusal> {
    match value {
        toml::Value::Float(number) => Ok(number as f32),
        toml::Value::Integer(number) => Ok(number as f32),
        other => Err((
            format!("its `weight` is {other}, not a number"),
            "write a number, as in `weight = 0.5`".to_owned(),
        )),
    }
}

/// The attributes of what a node computes, the weight of a loss left out.
pub(super) fn attributes(role: &DraftRole) -> toml::Table {
    match role {
        DraftRole::Input(shape) | DraftRole::Target(shape) => {
            let sizes = shape.iter().map(|&size| integer(size)).collect();
            toml::Table::from_iter([("shape".to_owned(), toml::Value::Array(sizes))])
        }
        DraftRole::Layer(layer, settings) => {
            let mut attributes = layer.attributes();
            attributes.extend(settings.attributes());
            attributes
        }
        DraftRole::Loss(loss, _) => loss.attributes(),
        DraftRole::Metric(metric) => metric.attributes(),
    }
}

/// A size as the format writes it; its largest integer stands for all beyond.
pub(super) fn integer(size: usize) -> toml::Value {
    toml::Value::Integer(i64::try_from(size).unwrap_or(i64::MAX))
}
