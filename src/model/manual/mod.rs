//! What model files can say, as a page: written by hand where it explains, and for the rest made of the
//! tables that the reader of model files goes by.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use toml::{Table, Value};

use super::{TrainingConfig, suggest, write};
use crate::blocks::BLOCKS;
use crate::error::{Error, Result};
use crate::graph::TRAINING_ATTRIBUTES;
use crate::initializers::INITIALIZERS;
use crate::layers::{Arity, LAYERS, Layer, ParameterKind, Sample};
use crate::losses::LOSSES;
use crate::metrics::METRICS;
use crate::optimizers::OPTIMIZERS;
use crate::optimizers::schedules::SCHEDULES;
use crate::regularizers::REGULARIZERS;

/// The keys at the top of a file, with their type and meaning.
pub(super) const FILE_KEYS: &[Key] = &[
    ("name", "text", "the network's name; default \"model\""),
    (
        "outputs",
        "list of names",
        "the layers or inputs that predictions give; default the predictions of the losses, in node order",
    ),
    ("node", "list of tables", "the nodes: each begins with a line `[[node]]`; required"),
    ("train", "table", "how the model wants to be trained; default what its keys have as defaults"),
];

/// The keys of a node beside the attributes of its kind, with their type and meaning.
pub(super) const NODE_KEYS: &[Key] = &[
    ("name", "text", "the node's name; required"),
    ("kind", "text", "what it computes: `input`, `target`, or a layer, loss or metric; required"),
    ("inputs", "list of names", "the nodes that it computes from, in order; default none"),
    (
        "shares",
        "text",
        "for a layer: the layer whose parameters it uses; both need parameters of the same names and \
         shapes; default none",
    ),
];

/// The keys of `[train]`, with their type and meaning; their defaults are those of the code.
pub(super) const TRAIN_KEYS: &[Key] = &[
    ("batch_size", "whole number", "items in a batch, at least 1"),
    ("epochs", "whole number", "passes over the data, at least 1"),
    ("optimizer", "table", "how parameters move: a table with a `kind` and its attributes"),
];

/// The one attribute of inputs and targets.
const SHAPE: Key =
    ("shape", "list of whole numbers", "the sizes of one item's axes, each at least 1; required");

/// The attribute of losses that stands beside those of the kind.
const WEIGHT: Key = (
    "weight",
    "number",
    "its factor in the sum of all losses, finite; default one over the number of losses",
);

/// The attribute of schedules that stands beside those of the kind.
const WARM_UP: Key = (
    "warm_up",
    "whole number",
    "steps before the schedule begins, in which the rate grows evenly up to its first one; default 0",
);

/// A key or attribute: its name, its type, and its meaning with a default.
type Key = (&'static str, &'static str, &'static str);

const PAGE: &str = include_str!("page.md");
const EXAMPLE: &str = include_str!("example.toml");

/// The names of keys.
pub(super) fn names(keys: &[Key]) -> Vec<&'static str> {
    keys.iter().map(|(name, ..)| *name).collect()
}

/// How model files are written: their grammar, an example, and every kind with its attributes, in
/// Markdown. `docs/model-file.md` is this page.
pub fn manual() -> String {
    let defaults = TrainingConfig::default();
    let optimizer = defaults.optimizer.as_ref();
    let settings = write::settings(optimizer).join(", ");
    let train: Vec<Line> = TRAIN_KEYS
        .iter()
        .map(|&(name, type_of, meaning)| Line {
            default: match name {
                "batch_size" => defaults.batch_size.to_string(),
                "epochs" => defaults.epochs.to_string(),
                _ => format!("{{ kind = \"{}\", {settings} }}", optimizer.kind()),
            },
            ..Line::new(name, type_of, meaning)
        })
        .collect();
    let blocks: Vec<String> = BLOCKS.iter().map(|spec| format!("`{}`", spec.kind)).collect();
    let mut kinds = String::new();
    for section in sections() {
        let _ = writeln!(kinds, "## {}\n\n{}\n", section.title, section.about);
        for entry in &section.entries {
            kinds.push_str(&entry.text);
        }
    }
    PAGE.replace("{{example}}", EXAMPLE)
        .replace("{{file keys}}", table("key", &lines(FILE_KEYS)).trim_end())
        .replace("{{node keys}}", table("key", &lines(NODE_KEYS)).trim_end())
        .replace("{{train keys}}", table("key", &train).trim_end())
        .replace("{{kinds}}\n", &kinds)
        .replace("{{blocks}}", &blocks.join(", "))
}

/// What [`manual`] says of one kind of node, optimizer, schedule, initializer or regularizer. Of kinds with
/// the same name, it gives all.
///
/// # Errors
/// If there is no such kind: names the nearest.
pub fn manual_of(kind: &str) -> Result<String> {
    let sections = sections();
    let entries = sections
        .iter()
        .flat_map(|section| section.entries.iter().map(move |entry| (section.one, entry)));
    let found: Vec<String> = entries
        .clone()
        .filter(|(_, entry)| entry.kind == kind)
        .map(|(one, entry)| format!("{one}\n\n{}", entry.text))
        .collect();
    if found.is_empty() {
        return Err(Error::Model {
            origin: "the kinds of model files".to_owned(),
            problem: format!("there is no `{}`", kind.escape_debug()),
            remedy: suggest(kind, entries.map(|(_, entry)| entry.kind), "kinds"),
        });
    }
    Ok(found.concat())
}

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
struct Section {
    title: &'static str,
    /// What each of them is.
    one: &'static str,
    about: String,
    entries: Vec<Entry>,
}

/// What the page says of one kind.
struct Entry {
    kind: &'static str,
    text: String,
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

fn sections() -> Vec<Section> {
    vec![
        data(),
        layers(),
        losses(),
        metrics(),
        optimizers(),
        schedules(),
        initializers(),
        regularizers(),
    ]
}

fn data() -> Section {
    let entry = |kind, summary| Entry::new(kind, summary, &[], &lines(&[SHAPE]), &[]);
    Section {
        title: "Data",
        one: "A node for data:",
        about:
            "These nodes have no `inputs`: what is trained, tested or predicted with feeds them."
                .to_owned(),
        entries: vec![
            entry(super::kinds::INPUT, "items that the network computes from"),
            entry(super::kinds::TARGET, "what predictions of the items should be"),
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
             items. Every loss has this attribute beside those of its kind.\n\n{}",
            table("attribute", &lines(&[WEIGHT])).trim_end()
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

fn optimizers() -> Section {
    Section {
        title: "Optimizers",
        one: "An optimizer:",
        about: "An optimizer is the value of `optimizer` in `[train]`.".to_owned(),
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

/// A row of any of the tables.
struct Row {
    attributes: &'static [(&'static str, &'static str)],
    samples: Vec<&'static str>,
    /// The attributes of what it reads from attributes.
    rewrite: Box<dyn Fn(Table) -> Result<Table, String>>,
}

impl Row {
    /// The lines of its attributes; `rows` are those of its table.
    fn lines(&self, rows: &[Self]) -> Vec<Line> {
        let line = |attribute: &(&'static str, &'static str)| {
            // Attributes that several kinds have in common stand in the samples of some.
            let same = rows.iter().filter(|row| row.attributes.contains(attribute));
            let mut types: BTreeSet<Type> = same.flat_map(|row| row.types(attribute.0)).collect();
            let mut line = Line::new(attribute.0, "", attribute.1);
            if line.default.starts_with('"') {
                types.insert(Type::Text);
            }
            let types: Vec<&str> = types.into_iter().map(Type::name).collect();
            line.type_of = types.join(" or ");
            line
        };
        self.attributes.iter().map(line).collect()
    }

    /// The types of an attribute's values, in samples and as they are written.
    fn types(&self, name: &str) -> BTreeSet<Type> {
        let mut types = BTreeSet::new();
        for sample in &self.samples {
            let Ok(given) = sample.parse::<Table>() else { continue };
            types.extend(given.get(name).map(Type::of));
            types.extend(
                (self.rewrite)(given).ok().as_ref().and_then(|it| it.get(name)).map(Type::of),
            );
        }
        types
    }
}

/// A type of attributes, in the order in which the page lists several.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Type {
    Whole,
    Number,
    Choice,
    List,
    Text,
    Table,
}

impl Type {
    fn of(value: &Value) -> Self {
        match value {
            Value::Integer(_) => Self::Whole,
            Value::Float(_) => Self::Number,
            Value::Boolean(_) => Self::Choice,
            Value::Array(_) => Self::List,
            Value::Table(_) => Self::Table,
            Value::String(_) | Value::Datetime(_) => Self::Text,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole number",
            Self::Number => "number",
            Self::Choice => "true or false",
            Self::List => "list of whole numbers",
            Self::Text => "text",
            Self::Table => "table",
        }
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

/// A line of a table of keys or attributes.
struct Line {
    name: String,
    type_of: String,
    default: String,
    meaning: String,
}

impl Line {
    /// `meaning` ends in the default, or in that there is none.
    fn new(name: &str, type_of: &str, meaning: &str) -> Self {
        let (meaning, default) = match meaning.rsplit_once("; ") {
            Some((meaning, "required")) => (meaning, "required"),
            Some((meaning, default)) if default.starts_with("default ") => {
                (meaning, &default["default ".len()..])
            }
            _ => (meaning, ""),
        };
        Self {
            name: format!("`{name}`"),
            type_of: type_of.to_owned(),
            default: default.to_owned(),
            meaning: meaning.to_owned(),
        }
    }
}

fn lines(keys: &[Key]) -> Vec<Line> {
    keys.iter().map(|(name, type_of, meaning)| Line::new(name, type_of, meaning)).collect()
}

/// A table in Markdown whose columns are even, so that it reads well as it is.
fn table(first: &str, lines: &[Line]) -> String {
    let columns: [(&str, fn(&Line) -> &String); 4] = [
        (first, |line| &line.name),
        ("type", |line| &line.type_of),
        ("default", |line| &line.default),
        ("meaning", |line| &line.meaning),
    ];
    let mut rows = vec![String::new(); lines.len() + 2];
    for (number, (title, cell)) in columns.iter().enumerate() {
        let length = |text: &str| text.chars().count();
        let widest = lines.iter().map(|line| length(cell(line))).chain([length(title)]).max();
        // Nothing stands beside the last column.
        let width = if number + 1 == columns.len() { 0 } else { widest.unwrap_or(0) };
        let rule = "-".repeat(width.max(3));
        let cells = [*title, &rule].into_iter().chain(lines.iter().map(|line| cell(line).as_str()));
        for (row, cell) in rows.iter_mut().zip(cells) {
            let _ = write!(row, "| {cell:width$} ");
        }
    }
    rows.iter().map(|row| format!("{row}|\n")).collect()
}
