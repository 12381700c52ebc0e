//! The crate's one error type.

mod words;

use std::fmt::{self, Display};
use std::path::PathBuf;

use words::{MOST_NAMED, first_of};
pub(crate) use words::{count, cycle, escaped, is_unprintable, plain, short};

use crate::names::nearest;

/// What every fallible function of the crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A node of a graph does not fit.
    #[error("node `{}`: {}; {}", escaped(node), escaped(problem), escaped(remedy))]
    Node {
        /// The node's name.
        node: String,
        /// What is wrong, with the shapes involved.
        problem: String,
        /// What would mend it.
        remedy: String,
    },

    /// The graph as a whole can't be used.
    #[error("graph `{}`: {}; {}", escaped(graph), escaped(problem), escaped(remedy))]
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
        cycle(nodes)
    )]
    Cycle {
        /// The nodes along the cycle; the first one stands at the end again.
        nodes: Vec<String>,
    },

    /// A tensor handed to a graph does not fit its node.
    #[error(
        "data for node `{}`: expected {}, got {}; {}",
        escaped(node),
        escaped(expected),
        escaped(found),
        escaped(remedy)
    )]
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
    #[error("parameter `{}`: {}; {}", escaped(parameter), escaped(problem), escaped(remedy))]
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

    /// A run ended although tasks were still waiting. Where that is a fault of the plan or of the executor, and of no
    /// policy, parameters may have moved: the last of the texts then says so. This is the one error after which the
    /// weights may be neither those from before the step nor those after it.
    #[error(
        "the run stalled with {} waiting: {}; a policy that loses parts or keeps all of them back does this, or a fault of \
         the plan or of an executor",
        count(.0.len(), "task"),
        first_of(.0, "; ")
    )]
    Stalled(
        /// Each task that never became ready, with the messages it lacked.
        Vec<String>,
    ),

    /// A loss or a gradient of a training step is infinite or no number at all. The weights are those from
    /// before the step; after [`Network::train_batch`](crate::train::Network::train_batch), though,
    /// parameters whose gradients are finite may have moved.
    #[error("step {step}: node `{}`: {}; {}", escaped(node), escaped(problem), escaped(remedy))]
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
    #[error("training: {}; {}", escaped(problem), escaped(remedy))]
    Training {
        /// What is wrong.
        problem: String,
        /// What would mend it.
        remedy: String,
    },

    /// A model file can't be read as a graph.
    #[error("{}: {}; {}", escaped(origin), escaped(problem), escaped(remedy))]
    Model {
        /// The file, with the line where one is known.
        origin: String,
        /// What is wrong.
        problem: String,
        /// What would mend it.
        remedy: String,
    },

    /// Data can't be used.
    #[error("{}: {}; {}", escaped(origin), escaped(problem), escaped(remedy))]
    Data {
        /// The file or data set, with the line or byte where one is known.
        origin: String,
        /// What was expected and what was found.
        problem: String,
        /// What would mend it.
        remedy: String,
    },

    /// A name stands in no table.
    #[error(
        "unknown {what} `{}`; {}known are: {}",
        escaped(name),
        meant(nearest.as_deref()),
        escaped(known)
    )]
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
    #[error("policy `{}`: {}; {}", escaped(policy), escaped(problem), escaped(remedy))]
    Policy {
        /// The policy, with its argument.
        policy: String,
        /// What is wrong.
        problem: String,
        /// What would mend it.
        remedy: String,
    },

    /// The operating system refused something.
    #[error("{}: {source}", escaped(&path.display().to_string()))]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// A file can't be written.
    #[error("{}: {}; {}", escaped(&path.display().to_string()), escaped(problem), escaped(remedy))]
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
        let Self { node, phase, shapes, cause } = self;
        let (node, shapes, cause) = (escaped(node), escaped(shapes), escaped(cause));
        write!(f, "node `{node}` failed in {phase} ({shapes}): {cause}")
    }
}

fn list_failures(failures: &[Failure]) -> String {
    let all: Vec<String> = failures.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    let more = failures.len() - all.len();
    let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
    all.join("\n") + &more
}

/// The question for a name that may be meant.
fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("did you mean `{}`? ", escaped(name)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..1_000_000).map(|number| format!("n{number}")).collect();
        let text = Error::Cycle { nodes: names.clone() }.to_string();
        assert!(text.contains("n0 -> n1 -> ") && text.contains(" -> (999977 more) -> n999997"));
        assert!(text.len() < 500, "{text}");
        assert_eq!(cycle(&["a", "b", "a"]), "a -> b -> a");
        let text = Error::Stalled(names).to_string();
        assert!(text.contains("n19; and 999980 more"), "{text}");
    }

    #[test]
    fn no_message_holds_what_a_terminal_obeys() {
        let bad = || "a\u{1b}[31m\u{202e}\u{2028}\n".to_owned();
        let failure = Failure { node: bad(), phase: "forward", shapes: bad(), cause: bad() };
        let (node, problem, remedy, path) = (bad(), bad(), bad(), PathBuf::from(bad()));
        let errors = [
            Error::node(bad(), bad(), bad()),
            Error::Graph { graph: bad(), problem: bad(), remedy: bad() },
            Error::Cycle { nodes: vec![bad(), bad()] },
            Error::Input { node: bad(), expected: bad(), found: bad(), remedy: bad() },
            Error::Parameter { parameter: bad(), problem: bad(), remedy: bad() },
            Error::Run(vec![failure]),
            Error::Stalled(vec![bad()]),
            Error::NotFinite { step: 1, node, problem, remedy },
            Error::Training { problem: bad(), remedy: bad() },
            Error::Model { origin: bad(), problem: bad(), remedy: bad() },
            Error::Data { origin: bad(), problem: bad(), remedy: bad() },
            Error::unknown("layer", &bad(), [&*bad()].into_iter()),
            Error::Policy { policy: bad(), problem: bad(), remedy: bad() },
            Error::File { path: path.clone(), problem: bad(), remedy: bad() },
            Error::Io { path, source: std::io::Error::other("full") },
        ];
        for error in errors {
            assert!(!error.to_string().contains(is_unprintable), "{error:?}");
        }
    }
}
