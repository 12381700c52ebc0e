//! Graphs of closures: nodes with typed ports, which anybody may build.
//!
//! ```
//! use std::sync::Arc;
//! use caudal::flow::{Executor, FlowBuilder, Pool};
//!
//! let mut flow = FlowBuilder::new("sums");
//! let (numbers, all) = flow.source::<Vec<u32>>("numbers");
//! let all = flow.share(all);
//! let sum = flow.node("sum", all, |all: Arc<Vec<u32>>| all.iter().sum::<u32>());
//! let words = flow.node("words", all, |all: Arc<Vec<u32>>| format!("{all:?}"));
//! let text = flow.node("text", (sum, words), |(sum, words)| format!("{words} make {sum}"));
//! let text = flow.sink("result", text);
//!
//! let mut run = flow.build()?.run();
//! run.feed(&numbers, vec![1, 2, 3])?;
//! Pool::new(2, "critical-path")?.execute(&mut run)?;
//! assert_eq!(run.take(&text)?, "[1, 2, 3] make 6");
//! # Ok::<(), caudal::Error>(())
//! ```
//!
//! A message of another type than a port does not compile,
//!
//! ```compile_fail,E0631
//! # use caudal::flow::FlowBuilder;
//! let mut flow = FlowBuilder::new("misfit");
//! let number = flow.node("number", (), |()| 1_u32);
//! flow.node("length", number, |text: String| text.len());
//! ```
//!
//! and neither does an output that two nodes take in: it is shared first.
//!
//! ```compile_fail,E0382
//! # use caudal::flow::FlowBuilder;
//! let mut flow = FlowBuilder::new("twice");
//! let number = flow.node("number", (), |()| 1_u32);
//! flow.node("one", number, |number| number + 1);
//! flow.node("two", number, |number| number + 2);
//! ```
//!
//! Nor do messages that come back as another type than their receiver expects:
//!
//! ```compile_fail,E0631
//! # use caudal::flow::FlowBuilder;
//! let mut flow = FlowBuilder::new("back");
//! let (_x, x) = flow.source::<f64>("x");
//! let half = flow.reversible("half", x, |x| (x / 2.0, ()), |(), back: Vec<f64>| back[0] / 2.0);
//! flow.turn("end", half, |_| "one");
//! ```

mod body;
mod build;
mod builder;
mod inputs;
mod ports;
mod program;
mod reverse;
mod run;
#[cfg(test)]
mod tests;

use std::any::type_name;
use std::marker::PhantomData;
use std::sync::Arc;

pub use builder::FlowBuilder;
pub use inputs::Inputs;
pub use ports::{Output, Port, Shared, Signal};
pub use run::{Flow, FlowRun};

use body::{Body, ReverseBody};

/// One of the parts into which a node was split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 0.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

impl Part {
    /// This part's share of `extent` things: contiguous, and as equal as whole things allow.
    ///
    /// ```
    /// use caudal::flow::Part;
    ///
    /// assert_eq!(Part { index: 1, count: 3 }.range(10), 3..6);
    /// ```
    pub fn range(self, extent: usize) -> std::ops::Range<usize> {
        let count = self.count.max(1);
        self.index * extent / count..(self.index + 1) * extent / count
    }
}

/// A source of a flow, to [feed](FlowRun::feed).
pub struct Source<T> {
    flow: u64,
    index: usize,
    values: PhantomData<fn(T)>,
}

/// A sink of a flow, to [read](FlowRun::take).
pub struct Sink<T> {
    flow: u64,
    index: usize,
    values: PhantomData<fn() -> T>,
}

/// Handles, whatever the type of their values.
macro_rules! handle {
    ($name:ident) => {
        impl<T> Clone for $name<T> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<T> Copy for $name<T> {}

        impl<T> std::fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}<{}>({})", stringify!($name), type_name::<T>(), self.index)
            }
        }
    };
}

handle!(Source);
handle!(Sink);

/// A node before the flow is built.
pub(super) struct Draft {
    name: String,
    body: Arc<dyn Body>,
    /// What becomes of it in the reversed phase.
    reverse: Option<Arc<dyn ReverseBody>>,
    /// Whether its forward task is where the reversed phase begins.
    turns: bool,
    /// Whether it keeps something from run to run.
    keeps_state: bool,
    /// Its ports, as connections.
    inputs: Vec<usize>,
    /// What a run of it takes, if anybody says so.
    seconds: Option<f64>,
}

/// Where the values of an output come from.
#[derive(Clone)]
enum Sender {
    /// Its node.
    Node(usize),
    /// Other outputs (none: one of another flow), of which there should be one.
    Outputs(Vec<Option<usize>>),
}

/// The types of a node's ports, as failures show them.
fn signature<V, R>() -> String {
    format!("{} -> {}", type_name::<V>(), type_name::<R>())
}
