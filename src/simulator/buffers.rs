//! Recycled buffers over virtual time.

use std::collections::BTreeMap;

use crate::flow::TaskGraph;
use crate::flow::holders::Holders;
use crate::flow::index::TaskIndex;

/// What the run's recycler would have handed out: sizes only.
#[derive(Debug)]
pub(super) struct Buffers {
    holders: Holders,
    /// By buffer: its floats while it exists; 0 for none.
    floats: Vec<usize>,
    /// By size in floats: buffers that nobody holds. They stay from step to step.
    free: BTreeMap<usize, usize>,
    live: usize,
    pub(super) peak: usize,
    /// Bytes in use, whenever they changed, by seconds.
    pub(super) history: Vec<(f64, usize)>,
}

impl Buffers {
    pub(super) fn new(graph: &TaskGraph) -> Self {
        Self {
            holders: Holders::new(graph),
            floats: vec![0; graph.buffers.bytes.len()],
            free: BTreeMap::new(),
            live: 0,
            peak: 0,
            history: Vec::new(),
        }
    }

    /// A new step begins; no buffer is in use.
    pub(super) fn begin(&mut self) {
        self.peak = 0;
        self.history.clear();
    }

    /// A part begins: what its task writes first gets a buffer.
    pub(super) fn acquire(&mut self, graph: &TaskGraph, task: TaskIndex, now: f64) {
        for &buffer in graph.acquired_by(task) {
            if self.floats[buffer] > 0 {
                continue;
            }
            let floats = graph.buffers.bytes[buffer] / size_of::<f32>();
            // As the recycler does: a free one that is at most a quarter too large, or a new one.
            let mut fitting = self.free.range_mut(floats..=floats + floats / 4);
            let found = fitting.find(|(_, count)| **count > 0).map(|(&floats, count)| {
                *count -= 1;
                floats
            });
            self.floats[buffer] = found.unwrap_or(floats);
            self.live += self.floats[buffer] * size_of::<f32>();
            self.peak = self.peak.max(self.live);
            self.history.push((now, self.live));
        }
    }

    /// A task ends: buffers that nobody else holds go back.
    pub(super) fn release(&mut self, graph: &TaskGraph, task: TaskIndex, now: f64) {
        let Self { holders, floats, free, live, history, .. } = self;
        holders.release(graph.buffers_of(task), |buffer| {
            let floats = std::mem::take(&mut floats[buffer]);
            if floats > 0 {
                *free.entry(floats).or_default() += 1;
                *live -= floats * size_of::<f32>();
                history.push((now, *live));
            }
        });
    }
}
