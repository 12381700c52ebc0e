//! Calls whose results last until the weights change, in plans that move none.
//!
//! The thread that executes the plan makes them before it hands the tasks to the executor: they have no place in
//! the graph of tasks, and cost later runs one comparison.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use crate::context::{Call, Context, Hold, Phase};
use crate::error::{Error, Result};
use crate::flow::core::describe_panic;

use super::state::RunState;

impl RunState {
    /// Makes the lasting calls, unless they have been made with the weights as they are.
    ///
    /// # Errors
    /// If one fails; then the next execution tries them again.
    pub(super) fn make_lasting(&self, parameters: &Hold<'_>) -> Result<()> {
        if self.plan.lasting.is_empty() {
            return Ok(());
        }
        let version = self.parameters.version(parameters);
        if self.lasting_of.load(Ordering::Relaxed) == version {
            return Ok(());
        }
        self.lasting_of.store(0, Ordering::Relaxed);
        for call in &self.plan.lasting {
            let outcome = catch_unwind(AssertUnwindSafe(|| self.make_one_lasting(call)))
                .unwrap_or_else(|panic| Err(describe_panic(panic.as_ref())));
            outcome.map_err(|cause| Error::Run(vec![self.describe(call, cause)]))?;
        }
        self.lasting_of.store(version, Ordering::Relaxed);
        Ok(())
    }

    fn make_one_lasting(&self, call: &Call) -> Result<(), String> {
        let mut context = Context {
            tensors: &self.tensors,
            call,
            node: &self.plan.graph.nodes[call.node],
            items: 0..self.plan.batch(),
            first_item: 0,
            window: None,
            in_place: false,
            read_next: &[],
        };
        match call.phase {
            Phase::Prepare => self.prepare(&context),
            _ => self.forward(&mut context),
        }
    }
}
