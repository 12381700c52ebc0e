//! Last come, first served.

use super::{Policy, PolicySpec, ReadyPart, nothing_after};

pub(super) static SPEC: PolicySpec = PolicySpec {
    name: "lifo",
    summary: "the part that became ready last",
    arguments: &[],
    make: |argument| {
        nothing_after(argument)?;
        Ok(Box::new(Lifo::default()))
    },
};

/// The part that became ready last runs next: depth first, on numbers that are still in a cache.
#[derive(Debug, Default)]
pub struct Lifo {
    ready: Vec<ReadyPart>,
}

impl Policy for Lifo {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn push(&mut self, part: ReadyPart, _worker: usize) {
        self.ready.push(part);
    }

    fn pop(&mut self, _worker: usize) -> Option<ReadyPart> {
        self.ready.pop()
    }
}
