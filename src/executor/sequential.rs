//! A loop over the tasks in topological order: no channel, no counter, no thread. The oracle that
//! the others are compared with, and the baseline of speedups.

use super::{Executor, Run};
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

    fn execute(&mut self, run: &mut Run) -> Result<()> {
        let state = &run.state;
        let _parameters = state.begin(false);
        for task in 0..state.plan.tasks.len() {
            let mut ended = 0;
            for part in 0..state.plan.tasks[task].parts {
                ended = state.run_part(task, part, 0);
                state.part_done(task);
            }
            state.complete_in_order(task, ended);
        }
        state.outcome()
    }
}
