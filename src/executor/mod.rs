//! Compiles graphs into plans of tasks, and runs them.
//!
//! See the README in this folder for the states, counters and their memory orderings.

mod actors;
mod compile;
mod context;
mod inbox;
mod live;
mod memory;
#[cfg(test)]
mod model_check;
mod moving;
pub(crate) mod plan;
pub mod policy;
mod pool;
mod queue;
mod ranks;
mod run;
pub mod schedule;
mod sequential;
mod stall;
mod state;
mod stopwatch;
mod sync;
pub mod trace;
mod waiting;
mod worker;

pub use actors::Actors;
pub use compile::PlanOptions;
pub use context::Context;
pub use memory::Parameters;
pub use plan::{Mode, Phase, Plan, TaskInfo};
pub use pool::Pool;
pub(crate) use pool::SPINS;
pub(crate) use queue::{MOST_TAKEN, TAKEN_SECONDS};
pub use run::{CancelToken, Observer, PartEvent, Run};
pub use sequential::Sequential;
pub(crate) use stopwatch::Stopwatch;

use crate::error::{Error, Result};

/// One way to run a plan. All of them give the same bits.
pub trait Executor: Send {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// How many threads compute.
    fn workers(&self) -> usize;

    /// The policy that orders ready parts, if it has one.
    fn policy(&self) -> Option<&str> {
        None
    }

    /// Takes measured seconds of a plan's tasks, one number for each, into account from now on, if its
    /// policy does; any other count of numbers is ignored.
    fn learn(&mut self, _plan: &Plan, _seconds: &[f64]) {}

    /// Runs every task of the bound run once.
    ///
    /// # Errors
    /// All failures of the run in node order, a stall, or a cancellation; the run can be used again.
    fn execute(&mut self, run: &mut Run) -> Result<()>;
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
    make: fn(usize, &str) -> Result<Box<dyn Executor>>,
}

/// Every executor.
pub const EXECUTORS: &[ExecutorSpec] = &[
    ExecutorSpec {
        name: "pool",
        summary: "worker threads that count dependencies, ordered by a policy",
        make: |workers, policy| Ok(Box::new(Pool::new(workers, policy)?)),
    },
    ExecutorSpec {
        name: "actors",
        summary: "a thread for every node, blocking on its channel; for study",
        make: |_, _| Ok(Box::new(Actors::new())),
    },
    ExecutorSpec {
        name: "sequential",
        summary: "a topological loop without channels: the oracle and the baseline",
        make: |_, _| Ok(Box::new(Sequential::new())),
    },
];

/// Makes the executor called `name` with `workers` threads, the caller's included, and the policy
/// called `policy`, as far as it uses them.
///
/// # Errors
/// If there is no such executor or policy, or threads can't be started.
pub fn executor(name: &str, workers: usize, policy: &str) -> Result<Box<dyn Executor>> {
    let spec = EXECUTORS
        .iter()
        .find(|spec| spec.name == name)
        .ok_or_else(|| Error::unknown("executor", name, EXECUTORS.iter().map(|spec| spec.name)))?;
    (spec.make)(workers, policy)
}
