//! The crate's one error type.

use std::fmt::{self, Display};
use std::path::PathBuf;

use crate::names::nearest;

/// What every fallible function of the crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A node of a graph does not fit.
    #[error("node `{node}`: {problem}; {remedy}")]
    Node {
        /// The node's name.
        node: String,
        /// What is wrong, with the shapes involved.
        problem: String,
        /// What would mend it.
        remedy: String,
    },

    /// The graph as a whole can't be used.
    #[error("graph `{graph}`: {problem}; {remedy}")]
    Graph {
        /// The graph's name.
        graph: String,
        /// What is wrong.
        problem: String,
        /// What would mend it.
        remedy: String,
    },

    /// The graph has a cycle.
    #[error(
        "the graph has a cycle: {}; remove one of these edges, since a node can't wait for itself",
        nodes.join(" -> ")
    )]
    Cycle {
        /// The nodes along the cycle; the first one stands at the end again.
        nodes: Vec<String>,
    },

    /// A tensor handed to a graph does not fit its node.
    #[error("data for node `{node}`: expected {expected}, got {found}; {remedy}")]
    Input {
        /// The input or target node.
        node: String,
        /// The shape, count or kind of values expected.
        expected: String,
        /// What came.
        found: String,
        /// What would mend it.
        remedy: String,
    },

    /// A parameter does not exist or has another shape.
    #[error("parameter `{parameter}`: {problem}; {remedy}")]
    Parameter {
        /// The parameter, as `NODE.weight`.
        parameter: String,
        /// What is wrong, with the shapes involved.
        problem: String,
        /// What would mend it.
        remedy: String,
    },

    /// Tasks of a run failed. The weights are those from before the step.
    #[error("{}", list_failures(.0))]
    Run(Vec<Failure>),

    /// A run ended although tasks were still waiting.
    #[error(
        "the run stalled with {} waiting: {}; this is a fault of the plan or of an executor",
        count(.0.len(), "task"),
        .0.join("; ")
    )]
    Stalled(
        /// Each task that never became ready, with the messages it lacked.
        Vec<String>,
    ),

    /// A loss or a gradient of a training step is infinite or no number at all. The weights are those from
    /// before the step; after [`Network::train_batch`](crate::train::Network::train_batch), though,
    /// parameters whose gradients are finite may have moved.
    #[error("step {step}: node `{node}`: {problem}; {remedy}")]
    NotFinite {
        /// The step, counted from 1.
        step: u64,
        /// The node that made the first number that is not finite.
        node: String,
        /// What that is, where, and of which numbers it was made.
        problem: String,
        /// What to try.
        remedy: String,
    },

    /// A run was cancelled. The weights are those from before the step.
    #[error("the run was cancelled")]
    Cancelled,

    /// Training was asked for in a way that can't work.
    #[error("training: {problem}; {remedy}")]
    Training {
        /// What is wrong.
        problem: String,
        /// What would mend it.
        remedy: String,
    },

    /// A model file can't be read as a graph.
    #[error("{origin}: {problem}; {remedy}")]
    Model {
        /// The file, with the line where one is known.
        origin: String,
        /// What is wrong.
        problem: String,
        /// What would mend it.
        remedy: String,
    },

    /// Data can't be used.
    #[error("{origin}: {problem}; {remedy}")]
    Data {
        /// The file or data set, with the line or byte where one is known.
        origin: String,
        /// What was expected and what was found.
        problem: String,
        /// What would mend it.
        remedy: String,
    },

    /// A name stands in no table.
    #[error("unknown {what} `{name}`; {}known are: {known}", meant(nearest.as_deref()))]
    Unknown {
        /// What kind of thing was looked up.
        what: &'static str,
        /// The name.
        name: String,
        /// The names that exist.
        known: String,
        /// The one that may be meant.
        nearest: Option<String>,
    },

    /// A policy can't be made, or can't order a plan.
    #[error("policy `{policy}`: {problem}; {remedy}")]
    Policy {
        /// The policy, with its argument.
        policy: String,
        /// What is wrong.
        problem: String,
        /// What would mend it.
        remedy: String,
    },

    /// The operating system refused something.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// A file can't be written.
    #[error("{path}: {problem}; {remedy}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What would mend it.
        remedy: String,
    },

    /// Threads could not be started.
    #[error("could not start {threads} threads: {problem}; {remedy}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system said.
        problem: String,
        /// What would mend it.
        remedy: &'static str,
    },
}

/// One failed task of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The node whose task failed.
    pub node: String,
    /// The phase: `forward`, `input_grad`, `param_grad`, `accumulate` or `update`.
    pub phase: &'static str,
    /// The shapes of the node's inputs and output, batch axis first.
    pub shapes: String,
    /// What the layer said.
    pub cause: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node `{}` failed in {} ({}): {}", self.node, self.phase, self.shapes, self.cause)
    }
}

fn list_failures(failures: &[Failure]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// `1 task`, `2 tasks`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// The question for a name that may be meant.
fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("did you mean `{name}`? "))
}

impl Error {
    /// An error about one node.
    pub(crate) fn node(
        node: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::Node { node: node.into(), problem: problem.into(), remedy: remedy.into() }
    }

    /// An error of the operating system about `path`.
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }

    /// An error about a name that no table holds.
    pub(crate) fn unknown<'a>(
        what: &'static str,
        name: &str,
        known: impl Iterator<Item = &'a str>,
    ) -> Self {
        let known: Vec<&str> = known.collect();
        let nearest = nearest(name, known.iter().copied()).map(str::to_owned);
        Self::Unknown { what, name: name.to_owned(), known: known.join(", "), nearest }
    }
}

/// An [`Error::Data`]. Files may hold what a terminal obeys: none of it reaches a message.
pub(crate) fn refuse(
    origin: impl Display,
    problem: impl Into<String>,
    remedy: impl Into<String>,
) -> Error {
    Error::Data {
        origin: escaped(&origin.to_string()),
        problem: escaped(&problem.into()),
        remedy: escaped(&remedy.into()),
    }
}

/// A number with few digits, in powers of ten where it would have many.
pub(crate) fn short(number: f64) -> String {
    if number == 0.0 || (1e-3..1e6).contains(&number.abs()) || !number.is_finite() {
        return number.to_string();
    }
    let (all, few) = (format!("{number:e}"), format!("{number:.2e}"));
    if all.len() < few.len() { all } else { few }
}

/// What a reader of TOML or JSON says of a text, without words of the program's own language and without the place, which is
/// told apart.
pub(crate) fn plain(said: &str) -> String {
    let said = said.rfind(" at line ").map_or(said, |place| &said[..place]);
    let said = said.replace("invalid type: map", "invalid type: table");
    let said = said.replace("invalid type: sequence", "invalid type: list");
    let Some((before, expected)) = said.rsplit_once(", expected ") else { return said };
    let expected = match expected.split(' ').next().unwrap_or_default() {
        _ if expected == "a sequence" => "a list",
        "struct" => "a table",
        _ if expected == "a map" => "a table",
        "usize" | "u64" | "u32" | "u8" => "a whole number, 0 or more",
        "i64" | "i32" => "a whole number",
        "f64" | "f32" => "a number",
        _ => expected,
    };
    format!("{before}, expected {expected}")
}

/// A text with its control characters, and those that change the direction of writing, spelt out.
pub(crate) fn escaped(text: &str) -> String {
    let bad = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(bad) {
        return text.to_owned();
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if bad(c) { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_language_are_left_out() {
        for (said, told) in [
            (
                "invalid type: integer `3`, expected struct Workflow at line 1 column 14",
                "invalid type: integer `3`, expected a table",
            ),
            (
                "invalid type: map, expected a sequence at line 1 column 41",
                "invalid type: table, expected a list",
            ),
            (
                "invalid type: string \"a\", expected usize",
                "invalid type: string \"a\", expected a whole number, 0 or more",
            ),
            ("missing field `to`", "missing field `to`"),
            (
                "unknown variant `x`, expected one of `a`, `b`",
                "unknown variant `x`, expected one of `a`, `b`",
            ),
        ] {
            assert_eq!(plain(said), told);
        }
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [0.0, 2.5, 1e308, f64::MIN_POSITIVE, -1_234_567.0, f64::INFINITY];
        let texts = ["0", "2.5", "1e308", "2.23e-308", "-1.23e6", "inf"];
        assert_eq!(numbers.map(short), texts);
    }

    #[test]
    fn what_turns_the_direction_of_writing_is_spelt_out() {
        assert_eq!(escaped("a\u{202e}b\u{61c}\u{1b}"), "a\\u{202e}b\\u{61c}\\u{1b}");
        assert_eq!(escaped("é → ü"), "é → ü");
    }
}
