//! Policies that do what they may not: they are asked no more, and a step that has moved parameters ends without them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::super::core::describe_panic;
use super::super::policy::{Policy, ReadyPart};
use super::super::sync::{Atomic, Monitor, Primitives};
use super::{Queue, State};

/// What a policy did wrong.
#[derive(Debug)]
pub(in crate::flow) enum Fault {
    /// It gave a part that it did not hold.
    Gave(ReadyPart),
    /// It gave none, though it held some and nothing else was under way.
    Kept,
    /// It panicked, with these words.
    Panicked(String),
}

/// Calls the policy, unless it did something wrong in this run; one that watches the clock is told the time before.
pub(super) fn ask<T>(
    policy: &mut Box<dyn Policy>,
    began: Option<Instant>,
    fault: &mut Option<Fault>,
    call: impl FnOnce(&mut dyn Policy) -> T,
) -> Option<T> {
    if fault.is_some() {
        return None;
    }
    // A panic must not unwind through a worker, or the run would never end.
    let call = || {
        if let Some(began) = began {
            policy.now(began.elapsed().as_secs_f64());
        }
        call(policy.as_mut())
    };
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(answer) => Some(answer),
        Err(panic) => {
            *fault = Some(Fault::Panicked(describe_panic(panic.as_ref())));
            None
        }
    }
}

/// Calls a policy that no run waits for. A panic becomes its words.
pub(in crate::flow) fn call_policy<T>(call: impl FnOnce() -> T) -> Result<T, Fault> {
    let called = catch_unwind(AssertUnwindSafe(call));
    called.map_err(|panic| Fault::Panicked(describe_panic(panic.as_ref())))
}

impl<P: Primitives> State<P> {
    /// The first part that the policy holds, in the graph's order.
    pub(super) fn take_in_order(&mut self) -> Option<ReadyPart> {
        let graph = self.graph.as_deref()?;
        let place = self.ready.first()?;
        self.ready.remove(place);
        let (mut low, mut high) = (0, graph.tasks.len());
        let index = |number: usize| super::TaskIndex::new(number);
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            if graph.tasks[index(middle)].place(0) <= place {
                low = middle;
            } else {
                high = middle;
            }
        }
        let part = u32::try_from(place - graph.tasks[index(low)].place(0)).ok()?;
        Some(ReadyPart { task: index(low), part })
    }
}

impl<P: Primitives> Queue<P> {
    /// Calls the policy while no run is under way.
    pub(in crate::flow) fn with_policy<T>(
        &self,
        call: impl FnOnce(&mut dyn Policy) -> T,
    ) -> Result<T, Fault> {
        let mut state = self.state.0.lock();
        call_policy(|| call(state.policy.as_mut()))
    }

    /// Gives the parts of the run at hand in the graph's order from now on, where the policy no longer gives what it
    /// holds. Says whether it holds any.
    pub(in crate::flow) fn take_over(&self) -> bool {
        let mut state = self.state.0.lock();
        if state.ready.first().is_none() {
            return false;
        }
        state.fault.get_or_insert(Fault::Kept);
        state.taken_over = true;
        self.note_changes(1);
        true
    }

    /// Drops what a policy still holds after a run, so that the next one begins with nothing. Gives back what the
    /// policy did wrong, if that is known.
    pub(in crate::flow) fn forget(&self) -> Option<Fault> {
        let mut state = self.state.0.lock();
        let fault = state.fault.take();
        for _ in 0..state.ready.parts() {
            // Whatever it gives is thrown away.
            if state.ask(|policy| policy.pop(0)).flatten().is_none() {
                break;
            }
        }
        self.seen.0.ready_parts.store(0, Ordering::Relaxed);
        self.done.0.store(true, Ordering::Release);
        fault
    }
}
