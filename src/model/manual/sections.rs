//! The sections of the page that come from the tables of kinds.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use toml::Table;

use super::super::kinds;
use super::AUGMENT;
use super::rows::{Row, Type};
use super::table::{Key, Line, lines, table};
use crate::blocks::BLOCKS;
use crate::data::{AUGMENTATIONS, DATA_ATTRIBUTES};
use crate::graph::TRAINING_ATTRIBUTES;
use crate::initializers::INITIALIZERS;
use crate::layers::{Arity, LAYERS, Layer, ParameterKind, Sample};
use crate::losses::LOSSES;
use crate::metrics::METRICS;
use crate::optimizers::OPTIMIZERS;
use crate::optimizers::schedules::SCHEDULES;
use crate::regularizers::REGULARIZERS;

/// The attribute that inputs and targets must have.
const SHAPE: Key =
    ("shape", "list of whole numbers", "the sizes of one item's axes, each at least 1; required");

/// The attribute of schedules that stands beside those of the kind.
const WARM_UP: Key = (
    "warm_up",
    "whole number",
    "steps before the schedule begins, in which the rate grows evenly up to its first one; default 0",
);

/// The rows of a table, whose samples `samples` turns into attributes.
macro_rules! rows {
    ($table:expr, $samples:expr) => {{
        let rows: Vec<Row> = $table
            .iter()
            .map(|spec| Row {
                attributes: spec.attributes,
                samples: $samples(spec.samples),
                rewrite: Box::new(|table| (spec.parse)(table).map(|it| it.attributes())),
            })
            .collect();
        rows
    }};
}

/// The kinds of one table.
pub(super) struct Section {
    pub(super) title: &'static str,
    /// What each of them is.
    pub(super) one: &'static str,
    pub(super) about: String,
    pub(super) entries: Vec<Entry>,
}

/// What the page says of one kind.
pub(super) struct Entry {
    pub(super) kind: &'static str,
    pub(super) text: String,
}

impl Entry {
    fn new(
        kind: &'static str,
        summary: &str,
        facts: &[String],
        lines: &[Line],
        examples: &[String],
    ) -> Self {
        let mut text = format!("### `{kind}`\n\n{summary}\n\n");
        if !facts.is_empty() {
            let _ = writeln!(text, "{}\n", facts.join(" "));
        }
        if !lines.is_empty() {
            let _ = writeln!(text, "{}", table("attribute", lines));
        }
        if !examples.is_empty() {
            let _ = writeln!(text, "For example, {}.\n", examples.join("; "));
        }
        Self { kind, text }
    }
}

/// All sections, in the order of the page.
pub(super) fn sections() -> Vec<Section> {
    vec![
        data(),
        augmentations(),
        layers(),
        blocks(),
        losses(),
        metrics(),
        optimizers(),
        schedules(),
        initializers(),
        regularizers(),
    ]
}

fn data() -> Section {
    let entry = |kind, summary, more: &[Key]| {
        let keys = [&[SHAPE], DATA_ATTRIBUTES, more].concat();
        Entry::new(kind, summary, &[], &lines(&keys), &[])
    };
    Section {
        title: "Data",
        one: "A node for data:",
        about:
            "These nodes have no `inputs`: what is trained, tested or predicted with feeds them. All\n\
             attributes but the shape say how columns of tables do so; `docs/data.md` has the rules and\n\
             examples. They may stand in an item of `columns` too, for its columns alone."
                .to_owned(),
        entries: vec![
            entry(kinds::INPUT, "items that the network computes from", &[AUGMENT]),
            entry(kinds::TARGET, "what predictions of the items should be", &[]),
        ],
    }
}

fn layers() -> Section {
    let rows = rows!(LAYERS, texts);
    let entries = LAYERS.iter().zip(&rows).map(|(spec, row)| {
        let mut parsed = spec.samples.iter().filter_map(|sample| {
            (spec.parse)(sample.attributes.parse().ok()?).ok().map(|layer| (layer, sample))
        });
        let mut facts = Vec::new();
        if let Some((layer, sample)) = parsed.clone().next() {
            facts.push(match layer.arity() {
                Arity::Exactly(number) => format!("Inputs: {number}."),
                Arity::AtLeast(number) => format!("Inputs: {number} or more."),
            });
            facts.extend(parameters(layer.as_ref(), sample));
        }
        let example = |(layer, sample): (Arc<dyn Layer>, &Sample)| {
            let output = layer.output_shape(sample.inputs).ok()?;
            let given = given(sample.attributes);
            let inputs = shapes(sample.inputs, " and ");
            Some(format!("{given}{inputs} gives `{output:?}`"))
        };
        let examples: Vec<String> = parsed.by_ref().take(2).filter_map(example).collect();
        Entry::new(spec.kind, spec.summary, &facts, &row.lines(&rows), &examples)
    });
    let more: Vec<Line> = TRAINING_ATTRIBUTES
        .iter()
        .map(|(name, meaning)| {
            let type_of = match *name {
                "trainable" => "true or false",
                "learning_rate_factor" => "number",
                _ => "table",
            };
            Line::new(name, type_of, meaning)
        })
        .collect();
    Section {
        title: "Layers",
        one: "A layer:",
        about: format!(
            "Every layer with parameters has these attributes beside those of its kind. Where nodes share\n\
             parameters, set them at the node that owns the parameters.\n\n{}",
            table("attribute", &more).trim_end()
        ),
        entries: entries.collect(),
    }
}

fn blocks() -> Section {
    let entries = BLOCKS.iter().map(|spec| {
        let line = |&(name, meaning): &(&'static str, &'static str)| {
            let samples = spec.samples.iter();
            let tables = samples.filter_map(|sample| sample.attributes.parse::<Table>().ok());
            let types: BTreeSet<Type> =
                tables.filter_map(|table| table.get(name).map(Type::of)).collect();
            let types: Vec<&str> = types.into_iter().map(Type::name).collect();
            Line { type_of: types.join(" or "), ..Line::new(name, "", meaning) }
        };
        let lines: Vec<Line> = spec.attributes.iter().map(line).collect();
        let examples = spec.samples.iter().take(2).map(|sample| {
            let inputs = shapes(sample.inputs, " and ");
            format!("{}{inputs}", given(sample.attributes))
        });
        Entry::new(spec.kind, spec.summary, &[], &lines, &examples.collect::<Vec<_>>())
    });
    Section {
        title: "Blocks",
        one: "A block:",
        about: "A block stands for several layers, which are called `BLOCK/NAME` after it. Where it has several \
                outputs,\nas `steps` has one a step, its name in `inputs` or `outputs` stands for all of them, in \
                order;\n`steps[0]` is the first of block `steps` and `steps[-1]` the last. With `shares`, a block \
                uses the\nparameters of another of its kind. `caudal graph MODEL --out FILE.toml` writes the layers \
                one by one."
            .to_owned(),
        entries: entries.collect(),
    }
}

/// The names of a layer's parameters.
fn parameters(layer: &dyn Layer, sample: &Sample) -> Option<String> {
    let specs = layer.parameters(sample.inputs);
    let names: Vec<String> = specs
        .iter()
        .map(|spec| match spec.kind {
            ParameterKind::Learned => format!("`{}`", spec.name),
            ParameterKind::Statistic => format!("`{}` (a statistic)", spec.name),
        })
        .collect();
    (!names.is_empty()).then(|| format!("Parameters: {}.", names.join(", ")))
}

fn losses() -> Section {
    let weight: Vec<Line> = kinds::LOSS_ATTRIBUTES
        .iter()
        .map(|(name, meaning)| Line::new(name, "number", meaning))
        .collect();
    let rows = rows!(LOSSES, texts);
    let entries = LOSSES.iter().zip(&rows).map(|(spec, row)| {
        let facts = [against(spec.samples)];
        Entry::new(spec.kind, spec.summary, &facts, &row.lines(&rows), &[])
    });
    Section {
        title: "Losses",
        one: "A loss:",
        about: format!(
            "A loss has two inputs: a prediction and a target. Its value for a batch is the mean over the\n\
             items. A third input, a target of shape `[]`, may have a weight for every item, at least 0: what the\n\
             loss says of an item is multiplied by it, and the value is still the sum over the items of the batch,\n\
             divided by their number, not by the sum of the weights. So is the value with `class_weights`. Every\n\
             loss has this attribute beside those of its kind.\n\n{}",
            table("attribute", &weight).trim_end()
        ),
        entries: entries.collect(),
    }
}

fn metrics() -> Section {
    let rows = rows!(METRICS, texts);
    let entries = METRICS.iter().zip(&rows).map(|(spec, row)| {
        let facts = [against(spec.samples)];
        Entry::new(spec.kind, spec.summary, &facts, &row.lines(&rows), &[])
    });
    Section {
        title: "Metrics",
        one: "A metric:",
        about: "A metric has two inputs: a prediction and a target. Training does not look at it."
            .to_owned(),
        entries: entries.collect(),
    }
}

/// The kinds of a table whose samples are mere attributes.
macro_rules! plain {
    ($table:expr, $usage:expr) => {{
        let rows = rows!($table, <[_]>::to_vec);
        let entries = $table.iter().zip(&rows).map(|(spec, row)| {
            // Of the samples, the one that says most.
            let sample = row.samples.iter().max_by_key(|sample| sample.len());
            let example = sample.map(|sample| usage($usage, spec.kind, sample));
            let examples: Vec<String> = example.into_iter().collect();
            Entry::new(spec.kind, spec.summary, &[], &row.lines(&rows), &examples)
        });
        entries.collect()
    }};
}

/// A kind as the value of an attribute.
fn usage(attribute: &str, kind: &str, sample: &str) -> String {
    let sample = sample.replace('\n', ", ");
    if sample.is_empty() {
        format!("`{attribute} = {{ kind = \"{kind}\" }}`")
    } else {
        format!("`{attribute} = {{ kind = \"{kind}\", {sample} }}`")
    }
}

fn augmentations() -> Section {
    Section {
        title: "Augmentations",
        one: "An augmentation:",
        about: "An augmentation is an item of the attribute `augment` of an input. It changes items of training batches\n\
                alone, anew in every epoch, never those that are tested; `docs/data.md` has the rules."
            .to_owned(),
        entries: plain!(AUGMENTATIONS, "augment"),
    }
}

fn optimizers() -> Section {
    Section {
        title: "Optimizers",
        one: "An optimizer:",
        about: "An optimizer is the value of `optimizer` in `[train]`. Written as a table `[train.optimizer]`, it may have\n\
                groups of parameters as tables of their own:\n\n\
                ```text\n\
                [train.optimizer]\n\
                kind = \"adamw\"\n\
                decays = \"weights\"                 # biases and normalisations do not decay\n\n\
                [[train.optimizer.group]]\n\
                pattern = \"encoder/*\"              # `*` stands for any characters, `?` for one\n\
                learning_rate_factor = 0.1\n\
                ```\n\n\
                A parameter is called `NODE.PARAMETER`, as in `encoder/conv1.bias`. Of several groups, the first whose\n\
                pattern fits holds for a parameter; what it does not set is as the optimizer says. The rate of a\n\
                parameter is the optimizer's, times the `learning_rate_factor` of its layer, times that of its group.\n\
                A layer's factor belongs to the network and goes with it into every training; a group belongs to one\n\
                way of training it. A group that no parameter belongs to is refused."
            .to_owned(),
        entries: plain!(OPTIMIZERS, "optimizer"),
    }
}

fn schedules() -> Section {
    Section {
        title: "Schedules",
        one: "A schedule:",
        about: format!(
            "A schedule is an optimizer's attribute `schedule`: it changes the learning rate (`rate` below)\n\
             from step to step. Every schedule has this attribute beside those of its kind.\n\n{}",
            table("attribute", &lines(&[WARM_UP])).trim_end()
        ),
        entries: plain!(SCHEDULES, "schedule"),
    }
}

fn initializers() -> Section {
    Section {
        title: "Initializers",
        one: "An initializer:",
        about: "An initializer is a layer's attribute `initializer`: the first values of its weight come \
                from it.\n`fan_in` is how many numbers one number of the output sums over, `fan_out` how\n\
                many numbers of the output one number of the input reaches."
            .to_owned(),
        entries: plain!(INITIALIZERS, "initializer"),
    }
}

fn regularizers() -> Section {
    Section {
        title: "Regularizers",
        one: "A regularizer:",
        about:
            "A regularizer belongs to a parameter: it is the attribute of the layer that has the\n\
                parameter's name and `_regularizer`. Its cost is added to the loss once a step."
                .to_owned(),
        entries: plain!(REGULARIZERS, "weight_regularizer"),
    }
}

fn texts(samples: &[Sample]) -> Vec<&'static str> {
    samples.iter().map(|sample| sample.attributes).collect()
}

/// The attributes of an example, with words around them.
fn given(attributes: &str) -> String {
    if attributes.is_empty() {
        return String::new();
    }
    format!("with `{}`, ", attributes.replace('\n', ", "))
}

fn shapes(shapes: &[&[usize]], between: &str) -> String {
    let shapes: Vec<String> = shapes.iter().map(|shape| format!("`{shape:?}`")).collect();
    shapes.join(between)
}

/// The shapes of prediction and target in the samples, each pair once.
fn against(samples: &[Sample]) -> String {
    let mut pairs: Vec<String> = Vec::new();
    for sample in samples {
        let pair = shapes(sample.inputs, " and ");
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    format!("Shapes of prediction and target that fit: {}.", pairs.join("; "))
}
