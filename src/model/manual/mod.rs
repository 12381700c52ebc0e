//! What model files can say, as a page: written by hand where it explains, and for the rest made of the
//! tables that the reader of model files goes by.

mod rows;
mod sections;
mod table;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use self::sections::sections;
use self::table::{Key, Line, lines, table};
use super::{TrainingConfig, write};
use crate::error::{Error, Result};
use crate::names::suggest;

/// The keys at the top of a file, with their type and meaning.
pub(super) const FILE_KEYS: &[Key] = &[
    ("name", "text", "the network's name; default \"model\""),
    (
        "outputs",
        "list of names",
        "the layers or inputs that predictions give; default the predictions of the losses, in node order",
    ),
    (
        "convolution",
        "text",
        "how convolutions are computed: \"auto\", in fewer multiplications where shapes promise a gain, or \"direct\", all as \
         sums of products; results differ in their last bits; default \"auto\"",
    ),
    (
        "precision",
        "text",
        "with which numbers products with weights are computed: \"f32\", or \"bf16\", which rounds both factors in dense \
         layers and 1 x 1 convolutions to 16 bits where shapes promise a gain, on processors with AVX-512 BF16; sums, \
         weights and all else have 32 bits; default \"f32\"",
    ),
    ("node", "list of tables", "the nodes: each begins with a line `[[node]]`; required"),
    ("train", "table", "how the model wants to be trained; default what its keys have as defaults"),
];

/// The keys of a node beside the attributes of its kind, with their type and meaning.
pub(super) const NODE_KEYS: &[Key] = &[
    ("name", "text", "the node's name; required"),
    (
        "kind",
        "text",
        "what it computes: `input`, `target`, or a layer, block, loss or metric; required",
    ),
    ("inputs", "list of names", "the nodes that it computes from, in order; default none"),
    (
        "shares",
        "text",
        "for a layer or block: the one whose parameters it uses; both need parameters of the same names and \
         shapes; default none",
    ),
];

/// The keys of `[train]`, with their type and meaning; their defaults are those of the code.
pub(super) const TRAIN_KEYS: &[Key] = &[
    ("batch_size", "whole number", "items in a batch, at least 1"),
    ("epochs", "whole number", "passes over the data, at least 1"),
    ("optimizer", "table", "how parameters move: a table with a `kind` and its attributes"),
    (
        "mix_up",
        "number",
        "mixes every item of a training batch with another, inputs and targets alike, by a share of the beta distribution \
         with this parameter, above 0 and at most 1",
    ),
];

/// The attribute of inputs that says what is changed at random, with its type and meaning.
pub(super) const AUGMENT: Key = (
    "augment",
    "list of tables",
    "random changes of the items in training, one after the other, as in [{ kind = \"shift\", pixels = 2 }, { kind = \"flip\" }]: \
     see [Augmentations](#augmentations); default none",
);

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
                "mix_up" => "none".to_owned(),
                _ => format!("{{ kind = \"{}\", {settings} }}", optimizer.kind()),
            },
            ..Line::new(name, type_of, meaning)
        })
        .collect();
    let mut kinds = String::new();
    for section in sections() {
        let _ = writeln!(kinds, "## {}\n\n{}\n", section.title, section.about);
        for entry in &section.entries {
            kinds.push_str(&entry.text);
        }
    }
    let page = PAGE
        .replace("{{example}}", EXAMPLE)
        .replace("{{file keys}}", table("key", &lines(FILE_KEYS)).trim_end())
        .replace("{{node keys}}", table("key", &lines(NODE_KEYS)).trim_end())
        .replace("{{train keys}}", table("key", &train).trim_end())
        .replace("{{kinds}}\n", &kinds);
    format!("{}\n", page.trim_end())
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
