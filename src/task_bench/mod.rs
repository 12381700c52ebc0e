//! Task Bench: patterns of task graphs with tasks of any grain, and the smallest grain at which an executor is still
//! efficient.
//!
//! After Slaughter et al.: Task Bench: a parameterized benchmark for evaluating parallel runtime performance, SC 2020. A
//! graph has a task for every point of every step; the [`PATTERNS`] say which tasks of the step before it waits for. A
//! [`Pattern`] is one of them with its sizes, the cost of its tasks and the bytes that they send: a
//! [`WeightedGraph`](crate::scheduling::WeightedGraph) for policies and simulation, or a graph of closures that
//! [`metg`](metg()) executes with a [`Kernel`] in each task.
//!
//! ```
//! use caudal::task_bench::Pattern;
//!
//! let pattern = Pattern::parse("stencil:width=4,steps=3,grain=0.5,bytes=8")?;
//! assert_eq!(pattern.before(2, 0), [0, 1]);
//! assert_eq!(pattern.before(2, 1), [0, 1, 2]);
//! let graph = pattern.graph()?;
//! assert_eq!((graph.task_count(), graph.edges().len(), graph.work()), (12, 20, 6.0));
//! # Ok::<(), caudal::Error>(())
//! ```

mod flow;
mod kernel;
mod metg;
mod pattern;
mod patterns;

pub use kernel::Kernel;
pub use metg::{GrainRow, Metg, MetgOptions, metg};
pub use pattern::Pattern;
pub use patterns::{PATTERNS, PatternSpec};
