//! First come, first served.

use std::collections::VecDeque;

use super::{Policy, PolicySpec, ReadyPart, nothing_after};

pub(super) static SPEC: PolicySpec = PolicySpec {
    name: "fifo",
    summary: "the part that has waited longest",
    arguments: &[],
    make: |argument| {
        nothing_after(argument)?;
        Ok(Box::new(Fifo::default()))
    },
};

/// The part that has waited longest runs next.
#[derive(Debug, Default)]
pub struct Fifo {
    ready: VecDeque<ReadyPart>,
}

impl Policy for Fifo {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        self.ready.push_back(part);
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        self.ready.pop_front()
    }
}
