//! Who still holds which buffer: a buffer lives from the first task that writes it to the end of the last that
//! touches it. Runs, policies and the simulator count here.

use std::sync::atomic::{AtomicU32, Ordering};

use super::graph::TaskGraph;
use super::index::BufferIndex;

/// By buffer of a graph: how many tasks of a run have yet to end before nobody needs it.
#[derive(Debug, Default)]
pub(crate) struct Holders(Box<[Holding]>);

#[derive(Debug)]
struct Holding {
    left: AtomicU32,
    /// As many as there are when a run begins.
    all: u32,
}

impl Holders {
    /// As when a run of the graph begins.
    pub(crate) fn new(graph: &TaskGraph) -> Self {
        let holding = |&all: &u32| Holding { left: AtomicU32::new(all), all };
        Self(graph.buffers.holders.iter().map(holding).collect())
    }

    /// Whether one task alone still holds a buffer.
    pub(crate) fn is_last(&self, buffer: BufferIndex) -> bool {
        self.0[buffer].left.load(Ordering::Relaxed) == 1
    }

    /// A task has ended that touched `buffers`: `free` gets each that nobody holds any more, which is counted
    /// anew from then on.
    #[inline]
    pub(crate) fn release(&self, buffers: &[BufferIndex], mut free: impl FnMut(BufferIndex)) {
        for &buffer in buffers {
            let holding = &self.0[buffer];
            // AcqRel: whoever comes last sees that all others are done with the numbers.
            if holding.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                holding.left.store(holding.all, Ordering::Relaxed);
                free(buffer);
            }
        }
    }

    /// As when a run begins.
    pub(crate) fn reset(&self) {
        for holding in &self.0 {
            holding.left.store(holding.all, Ordering::Relaxed);
        }
    }
}
