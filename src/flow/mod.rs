//! The engine: nodes that wait for a message on each of their ports, on any graph of tasks.
//!
//! It knows nothing of neural networks. A [`TaskGraph`] says what there is to do and who waits for whom; an
//! [`Executor`] runs it; a [`policy`] orders what is ready; an [`Observer`] sees it. Graphs of closures with typed
//! ports are built by a [`FlowBuilder`]; a network's training step is another client.
//!
//! See the README in this folder for the states, counters and their memory orderings.

mod actors;
mod bare;
pub(crate) mod core;
mod fingerprint;
pub(crate) mod graph;
pub(crate) mod holders;
mod idle;
mod inbox;
pub(crate) mod index;
mod live;
pub(crate) mod message;
#[cfg(test)]
mod model_check;
mod nodes;
mod observer;
mod pace;
pub mod policy;
mod pool;
pub(crate) mod program;
mod queue;
mod ranks;
mod ready_set;
mod rules;
pub mod schedule;
mod sequential;
mod stall;
mod stopwatch;
pub(crate) mod sync;
pub(crate) mod topological;
pub mod trace;
mod width;
mod work;
mod worker;
mod worker_events;

use std::sync::Arc;

pub use actors::Actors;
pub use bare::TaskGraphBuilder;
pub use graph::{TaskGraph, TaskInfo};
pub use index::TaskIndex;
pub use nodes::{
    Flow, FlowBuilder, FlowRun, Inputs, Output, Part, Port, Shared, Signal, Sink, Source,
};
pub use observer::{CancelToken, MessageEvent, Observer, PartEvent, WorkerChange, WorkerEvent};
pub(crate) use pace::Pace;
pub use pool::Pool;
pub(crate) use pool::SPINS;
pub(crate) use rules::{COMER_WAKES, LOOKS_AGAIN, PUBLISHER_WAKES, share, takes_more, to_wake};
pub use sequential::Sequential;
pub(crate) use stopwatch::Stopwatch;

use self::sync::Native;
use self::work::Work;
use crate::error::{Error, Result};
use crate::topology::Pinning;

/// One way to run a graph of tasks. All of them give the same bits.
///
/// The trait is sealed: [`EXECUTORS`] lists all there are. Whoever wants another order of tasks implements
/// [`policy::Policy`], and whoever wants to see or count what runs an [`Observer`].
pub trait Executor: Send + sealed::Sealed {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// How many threads compute.
    fn workers(&self) -> usize;

    /// The policy that orders ready parts, if it has one.
    fn policy(&self) -> Option<&str> {
        None
    }

    /// Where its workers run.
    fn pinning(&self) -> Pinning {
        Pinning::None
    }

    /// Whether it is indifferent to nodes that were made one task. The actors executor is not, for it has
    /// a thread for every node that the user wrote.
    fn fuses(&self) -> bool {
        true
    }

    /// Takes measured seconds of a graph's tasks, one number for each, into account from now on, if its
    /// policy does; any other count of numbers is ignored.
    fn learn(&mut self, _graph: &TaskGraph, _seconds: &[f64]) {}

    /// Runs every task of the run once.
    ///
    /// # Errors
    /// All failures of the run in node order, a stall, or a cancellation; the run can be used again.
    fn execute(&mut self, run: &mut dyn Execute) -> Result<()>;
}

/// A run that executors can execute: of a network's plan, or of a graph of closures.
pub trait Execute: sealed::Sealed {
    /// Hands the run to `execute`, for which it keeps whatever it holds meanwhile.
    #[doc(hidden)]
    fn with(&mut self, execute: &mut dyn FnMut(&Running) -> Result<()>) -> Result<()>;
}

/// A run that is under way.
pub struct Running(Arc<dyn Work<Native>>);

impl Running {
    /// The run of a program.
    pub(crate) fn new(program: Arc<impl program::Program<Primitives = Native>>) -> Self {
        Self(program)
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Running({} tasks of {})", self.0.graph().task_count(), self.0.graph().name())
    }
}

pub(crate) mod sealed {
    /// Only this crate has executors, and runs that they execute.
    pub trait Sealed {}

    impl Sealed for super::Actors {}
    impl Sealed for super::Pool {}
    impl Sealed for super::Sequential {}
}

impl std::fmt::Debug for dyn Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} with {} workers", self.name(), self.workers())
    }
}

/// One row of the [`EXECUTORS`] table.
#[derive(Debug)]
pub struct ExecutorSpec {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is for, in one line.
    pub summary: &'static str,
    make: fn(usize, &str, Pinning) -> Result<Box<dyn Executor>>,
}

/// Every executor.
pub const EXECUTORS: &[ExecutorSpec] = &[
    ExecutorSpec {
        name: "pool",
        summary: "worker threads that count dependencies, ordered by a policy; messages wait in slots",
        make: |workers, policy, pinning| Ok(Box::new(Pool::named(workers, policy, pinning)?)),
    },
    ExecutorSpec {
        name: "channels",
        summary: "the same workers and policies; every inbox is a bounded crossbeam channel",
        make: |workers, policy, pinning| {
            Ok(Box::new(Pool::named(workers, policy, pinning)?.with_channels()))
        },
    },
    ExecutorSpec {
        name: "actors",
        summary: "a thread for every node, blocking on its channel; for study",
        make: |_, _, pinning| unpinned("actors", pinning).map(|()| Box::new(Actors::new()) as _),
    },
    ExecutorSpec {
        name: "sequential",
        summary: "a topological loop without messages: the oracle and the baseline",
        make: |_, _, pinning| {
            unpinned("sequential", pinning).map(|()| Box::new(Sequential::new()) as _)
        },
    },
];

/// Makes the executor called `name` with `workers` threads, the caller's included, and the policy
/// called `policy`, as far as it uses them.
///
/// # Errors
/// If there is no such executor or policy, or threads can't be started.
pub fn executor(name: &str, workers: usize, policy: &str) -> Result<Box<dyn Executor>> {
    pinned_executor(name, workers, policy, Pinning::None)
}

/// As [`executor`], with workers that are pinned, as [`Pool::with_pinning`] says.
///
/// ```
/// use caudal::flow::pinned_executor;
/// use caudal::topology::{CAN_PIN, Pinning};
///
/// let pinned = pinned_executor("pool", 2, "fifo", Pinning::Cores);
/// assert_eq!(pinned.is_ok(), CAN_PIN);
/// ```
///
/// # Errors
/// As [`executor`], if the executor has no workers that could be pinned, or if threads can't be pinned here.
pub fn pinned_executor(
    name: &str,
    workers: usize,
    policy: &str,
    pinning: Pinning,
) -> Result<Box<dyn Executor>> {
    let spec = EXECUTORS
        .iter()
        .find(|spec| spec.name == name)
        .ok_or_else(|| Error::unknown("executor", name, EXECUTORS.iter().map(|spec| spec.name)))?;
    (spec.make)(workers, policy, pinning)
}

/// Refuses to pin what has no workers.
fn unpinned(executor: &'static str, pinning: Pinning) -> Result<()> {
    if pinning == Pinning::None {
        return Ok(());
    }
    Err(Error::Threads {
        threads: 1,
        problem: format!("the executor `{executor}` has no workers that could be pinned"),
        remedy: "take `pool` or `channels`, or leave pinning out",
    })
}
