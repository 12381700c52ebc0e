//! A loop over the tasks in topological order: no channel, no counter, no thread. The oracle that
//! the others are compared with, and the baseline of speedups.

use super::core::Delivery;
use super::{Execute, Executor};
use crate::error::Result;

/// Runs tasks one after another on the calling thread.
#[derive(Debug, Default)]
pub struct Sequential {}

impl Sequential {
    /// A sequential executor.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Executor for Sequential {
    fn name(&self) -> &'static str {
        "sequential"
    }

    fn workers(&self) -> usize {
        1
    }

    fn execute(&mut self, run: &mut dyn Execute) -> Result<()> {
        run.with(&mut |run| {
            run.0.begin(Delivery::InOrder, 1);
            run.0.run_in_order();
            run.0.outcome()
        })
    }
}
