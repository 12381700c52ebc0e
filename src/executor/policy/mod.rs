//! Which ready part runs next: the [`Policy`] trait and the [`POLICIES`] table.
//!
//! To add a policy, write one file that holds everything about it, its `SPEC` included, and add two
//! lines here.

mod critical_path;
mod fifo;
mod homes;
mod places;

use std::fmt;

pub use critical_path::CriticalPath;
pub use fifo::Fifo;

use super::plan::Plan;
use crate::error::{Error, Result};

/// Every policy.
pub const POLICIES: &[&PolicySpec] = &[&critical_path::SPEC, &fifo::SPEC];

/// One row of the [`POLICIES`] table.
#[derive(Debug)]
pub struct PolicySpec {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it prefers, in one line.
    pub summary: &'static str,
    /// Makes one.
    pub make: fn() -> Box<dyn Policy>,
}

/// Makes the policy called `name`.
///
/// # Errors
/// If there is none.
pub fn policy(name: &str) -> Result<Box<dyn Policy>> {
    let spec = POLICIES.iter().find(|spec| spec.name == name);
    let known = POLICIES.iter().map(|spec| spec.name);
    Ok((spec.ok_or_else(|| Error::unknown("policy", name, known))?.make)())
}

/// A part of a task whose messages have all come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadyPart {
    /// The task, as in [`Plan::task`].
    pub task: u32,
    /// The part.
    pub part: u32,
}

/// Holds the ready parts of a run and says which one runs next. It is called under a lock, so it
/// should be quick; a worker that makes just one part ready, while no other waits, runs it without
/// asking.
pub trait Policy: fmt::Debug + Send {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// A run of `plan` by `workers` workers begins; nothing is waiting.
    fn begin(&mut self, _plan: &Plan, _workers: usize) {}

    /// Measured seconds of the tasks of `plan`, for policies that weigh them.
    fn learn(&mut self, _plan: &Plan, _seconds: &[f64]) {}

    /// `worker` has made `part` ready.
    fn push(&mut self, part: ReadyPart, worker: usize);

    /// The part that `worker` runs next. Must give one as long as any waits.
    fn pop(&mut self, worker: usize) -> Option<ReadyPart>;
}
