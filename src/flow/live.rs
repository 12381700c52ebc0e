//! How many bytes of buffers a run holds as its parts start and end: the counting of buffers, without them.

use super::graph::{BufferUse, TaskGraph};

/// The buffers of one run that is driven part by part.
#[derive(Clone, Debug, Default)]
pub(super) struct LiveBytes {
    uses: BufferUse,
    /// By task: how many parts there are, and how many have not ended.
    parts: Vec<(u32, u32)>,
    buffers: Vec<Buffer>,
    now: usize,
    peak: usize,
}

#[derive(Clone, Copy, Debug)]
struct Buffer {
    bytes: usize,
    holders: u32,
    /// Tasks that have yet to let go of it.
    holders_left: u32,
    /// Whether it exists.
    held: bool,
}

impl LiveBytes {
    /// Nothing has run yet.
    pub(super) fn new(graph: &TaskGraph) -> Self {
        let uses = graph.buffers.clone();
        let buffers = uses.bytes.iter().zip(&uses.holders);
        let buffers = buffers.map(|(&bytes, &holders)| Buffer {
            bytes,
            holders,
            holders_left: holders,
            held: false,
        });
        Self {
            buffers: buffers.collect(),
            uses,
            parts: graph.tasks.iter().map(|task| (task.parts, task.parts)).collect(),
            now: 0,
            peak: 0,
        }
    }

    /// As at the beginning.
    pub(super) fn reset(&mut self) {
        for (parts, left) in &mut self.parts {
            *left = *parts;
        }
        for buffer in &mut self.buffers {
            buffer.holders_left = buffer.holders;
            buffer.held = false;
        }
        (self.now, self.peak) = (0, 0);
    }

    /// Bytes held.
    pub(super) fn now(&self) -> usize {
        self.now
    }

    /// The most bytes that were held at one time.
    pub(super) fn peak(&self) -> usize {
        self.peak
    }

    /// Bytes that a part of `task` would take, were it to start now.
    pub(super) fn takes(&self, task: u32) -> usize {
        let acquired = self.uses.acquired_by(task as usize);
        let buffers = acquired.iter().map(|&buffer| self.buffers[buffer as usize]);
        buffers.filter(|buffer| !buffer.held).map(|buffer| buffer.bytes).sum()
    }

    /// Bytes that would be given back, were `task` to end now.
    pub(super) fn frees(&self, task: u32) -> usize {
        let held = self.uses.held_by(task as usize);
        let buffers = held.iter().map(|&buffer| self.buffers[buffer as usize]);
        buffers.filter(|buffer| buffer.holders_left == 1).map(|buffer| buffer.bytes).sum()
    }

    /// A part of `task` starts.
    pub(super) fn start(&mut self, task: u32) {
        self.now += self.takes(task);
        self.peak = self.peak.max(self.now);
        for &buffer in self.uses.acquired_by(task as usize) {
            self.buffers[buffer as usize].held = true;
        }
    }

    /// A part of `task` has ended.
    pub(super) fn end(&mut self, task: u32) {
        let (_, left) = &mut self.parts[task as usize];
        *left -= 1;
        if *left > 0 {
            return;
        }
        for &buffer in self.uses.held_by(task as usize) {
            let buffer = &mut self.buffers[buffer as usize];
            buffer.holders_left -= 1;
            if buffer.holders_left == 0 && std::mem::take(&mut buffer.held) {
                self.now -= buffer.bytes;
            }
        }
    }
}

impl TaskGraph {
    /// The most bytes of buffers that are held at one time when tasks run one after another in the graph's
    /// order, as the sequential executor does it.
    pub fn sequential_peak_bytes(&self) -> usize {
        let mut live = LiveBytes::new(self);
        for (task, described) in (0..).zip(&self.tasks) {
            for _ in 0..described.parts {
                live.start(task);
                live.end(task);
            }
        }
        live.peak()
    }
}
