//! From the kind and attributes of a model file to what a node computes, and back, by the tables.

use std::sync::Arc;

use super::CustomKinds;
use super::blocks::Content;
use super::manual::AUGMENT;
use crate::blocks::BLOCKS;
use crate::data::DATA_ATTRIBUTES;
use crate::graph::{DraftRole, TRAINING_ATTRIBUTES, TrainingSettings};
use crate::layers::LAYERS;
use crate::losses::LOSSES;
use crate::metrics::METRICS;
use crate::names::{nearest, suggest};
use crate::optimizers::{OPTIMIZERS, Optimizer};
use crate::tensor::Shape;

pub(super) const INPUT: &str = "input";
pub(super) const TARGET: &str = "target";

/// The attribute of losses that stands beside those of the kind, with its meaning.
pub(super) const LOSS_ATTRIBUTES: &[(&str, &str)] = &[(
    "weight",
    "its factor in the sum of all losses, finite; default one over the number of losses",
)];

/// All kinds of nodes in the tables.
pub(super) fn built_in() -> impl Iterator<Item = &'static str> {
    let layers = LAYERS.iter().map(|spec| spec.kind);
    let losses = LOSSES.iter().map(|spec| spec.kind);
    let metrics = METRICS.iter().map(|spec| spec.kind);
    let blocks = BLOCKS.iter().map(|spec| spec.kind);
    [INPUT, TARGET].into_iter().chain(layers).chain(blocks).chain(losses).chain(metrics)
}

/// What went wrong, and what to do.
pub(super) type Refusal = (String, String);

/// Why attributes were refused: the first that is unknown, or else `problem`. Beside those of the kind, nodes of
/// its table have the attributes `shared`.
fn refusal(
    kind: &str,
    own: &[(&str, &str)],
    shared: &[(&str, &str)],
    given: &[String],
    problem: String,
) -> Refusal {
    let known = || own.iter().chain(shared).map(|(name, _)| *name);
    // `PARAMETER_regularizer` stands for several.
    let is_known =
        |key: &&String| known().any(|name| name == key.as_str()) || key.ends_with("_regularizer");
    let unknown = given.iter().find(|key| !is_known(key));
    let list = own.iter().map(|(name, meaning)| format!("`{name}` ({meaning})"));
    let list = list.collect::<Vec<_>>().join(", ");
    let more = shared.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let attributes = match (own.is_empty(), shared.is_empty()) {
        (true, true) => format!("`{kind}` has no attributes"),
        (true, false) => format!("the attributes of `{kind}` are {more}"),
        (false, true) => format!("the attributes of `{kind}` are {list}"),
        (false, false) => format!("the attributes of `{kind}` are {list}; beside these, {more}"),
    };
    let Some(unknown) = unknown else { return (problem, attributes) };
    let problem = format!("unknown attribute `{}`", unknown.escape_debug());
    match nearest(unknown, known()) {
        Some(meant) => (problem, format!("did you mean `{meant}`? {}", capitalized(&attributes))),
        None if own.is_empty() && shared.is_empty() => {
            (problem, format!("{attributes}; remove it"))
        }
        None => (problem, attributes),
    }
}

/// A sentence's first letter, where it is one, in upper case.
fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What a node of `kind` with `attributes` stands for.
pub(super) fn parse(
    custom: &CustomKinds,
    kind: &str,
    mut attributes: toml::Table,
) -> Result<Content, Refusal> {
    if kind == INPUT || kind == TARGET {
        let shape = shape(kind, attributes)?;
        let role = if kind == INPUT { DraftRole::Input(shape) } else { DraftRole::Target(shape) };
        return Ok(Content::Node(role));
    }
    let given: Vec<String> = attributes.keys().cloned().collect();
    if let Some(spec) = LAYERS.iter().find(|spec| spec.kind == kind) {
        let refuse = |problem| refusal(kind, spec.attributes, TRAINING_ATTRIBUTES, &given, problem);
        let settings = TrainingSettings::take(&mut attributes).map_err(refuse)?;
        let layer = (spec.parse)(attributes).map_err(refuse)?;
        return Ok(Content::Node(DraftRole::Layer(layer, settings)));
    }
    if let Some(spec) = BLOCKS.iter().find(|spec| spec.kind == kind) {
        let refuse = |problem| refusal(kind, spec.attributes, &[], &given, problem);
        return (spec.parse)(attributes).map(Content::Block).map_err(refuse);
    }
    if let Some(spec) = LOSSES.iter().find(|spec| spec.kind == kind) {
        let refuse = |problem| refusal(kind, spec.attributes, LOSS_ATTRIBUTES, &given, problem);
        let weight = attributes.remove("weight").map(number).transpose()?;
        let loss = (spec.parse)(attributes).map_err(refuse)?;
        return Ok(Content::Node(DraftRole::Loss(loss, weight)));
    }
    if let Some(spec) = METRICS.iter().find(|spec| spec.kind == kind) {
        let refuse = |problem| refusal(kind, spec.attributes, &[], &given, problem);
        let metric = (spec.parse)(attributes).map_err(refuse)?;
        return Ok(Content::Node(DraftRole::Metric(metric)));
    }
    parse_custom(custom, kind, attributes).map(Content::Node)
}

/// As [`parse`], for kinds that are in no table.
fn parse_custom(
    custom: &CustomKinds,
    kind: &str,
    mut attributes: toml::Table,
) -> Result<DraftRole, Refusal> {
    let refused = |problem| (problem, format!("`{kind}` is a kind of your own; see what it reads"));
    if let Some(parse) = custom.layers.get(kind) {
        let given: Vec<String> = attributes.keys().cloned().collect();
        let settings = TrainingSettings::take(&mut attributes)
            .map_err(|problem| refusal(kind, TRAINING_ATTRIBUTES, &[], &given, problem))?;
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
        let given: Vec<String> = attributes.keys().cloned().collect();
        return (spec.parse)(attributes)
            .map_err(|problem| refusal(kind, spec.attributes, &[], &given, problem));
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
        let augment = (kind == INPUT).then_some(AUGMENT.0);
        let data = DATA_ATTRIBUTES.iter().map(|row| row.0);
        let known = ["shape"].into_iter().chain(data).chain(augment);
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
