//! The inputs and targets of a model in the making.

use std::collections::HashSet;

/// What a model file is written of.
#[derive(Debug, Default)]
pub(super) struct Sketch {
    pub(super) inputs: Vec<Input>,
    pub(super) targets: Vec<Target>,
    /// Lines of comment: what was left out, and why.
    pub(super) comments: Vec<String>,
}

/// An input, and the branch that begins with it.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// Attributes beside name, kind and shape, and comments, line by line.
    pub(super) lines: Vec<String>,
}

/// A target, and what is made small for it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: String,
    /// How many classes there are; nothing for a number.
    pub(super) classes: Option<usize>,
    pub(super) lines: Vec<String>,
}

/// Names for nodes, each given once.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<String>);

impl Names {
    /// A name like `wanted` that no node has.
    pub(super) fn new_name(&mut self, wanted: &str) -> String {
        // A point stands between the words of a name.
        let safe = |c: char| if c.is_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
        let wanted: String = wanted.chars().map(safe).collect();
        let wanted = if wanted.is_empty() { "column".to_owned() } else { wanted };
        let mut name = wanted.clone();
        let mut number = 2;
        while !self.0.insert(name.clone()) {
            name = format!("{wanted}_{number}");
            number += 1;
        }
        name
    }
}

/// A text as TOML holds it, on one line.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
