//! How many bytes of buffers a run holds as its parts start and end: the counting of buffers, without them.

use super::graph::{Span, TaskGraph};

/// The buffers of one run that is driven part by part.
#[derive(Clone, Debug, Default)]
pub(super) struct LiveBytes {
    tasks: Vec<Task>,
    /// What the tasks' spans point into.
    list: Vec<u32>,
    buffers: Vec<Buffer>,
    now: usize,
    peak: usize,
}

#[derive(Clone, Copy, Debug)]
struct Task {
    acquires: Span,
    holds: Span,
    parts: u32,
    parts_left: u32,
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
        let buffers = graph.buffers.bytes.iter().zip(&graph.buffers.holders);
        let buffers = buffers.map(|(&bytes, &holders)| Buffer {
            bytes,
            holders,
            holders_left: holders,
            held: false,
        });
        let tasks = graph.tasks.iter().map(|task| Task {
            acquires: task.acquires,
            holds: task.holds,
            parts: task.parts,
            parts_left: task.parts,
        });
        Self {
            buffers: buffers.collect(),
            tasks: tasks.collect(),
            list: graph.buffers.list.clone(),
            now: 0,
            peak: 0,
        }
    }

    /// As at the beginning.
    pub(super) fn reset(&mut self) {
        for task in &mut self.tasks {
            task.parts_left = task.parts;
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
        let acquired = &self.list[self.tasks[task as usize].acquires.range()];
        let buffers = acquired.iter().map(|&buffer| self.buffers[buffer as usize]);
        buffers.filter(|buffer| !buffer.held).map(|buffer| buffer.bytes).sum()
    }

    /// Bytes that would be given back, were `task` to end now.
    pub(super) fn frees(&self, task: u32) -> usize {
        let held = &self.list[self.tasks[task as usize].holds.range()];
        let buffers = held.iter().map(|&buffer| self.buffers[buffer as usize]);
        buffers.filter(|buffer| buffer.holders_left == 1).map(|buffer| buffer.bytes).sum()
    }

    /// A part of `task` starts.
    pub(super) fn start(&mut self, task: u32) {
        self.now += self.takes(task);
        self.peak = self.peak.max(self.now);
        for &buffer in &self.list[self.tasks[task as usize].acquires.range()] {
            self.buffers[buffer as usize].held = true;
        }
    }

    /// A part of `task` has ended.
    pub(super) fn end(&mut self, task: u32) {
        let left = &mut self.tasks[task as usize].parts_left;
        *left -= 1;
        if *left > 0 {
            return;
        }
        for &buffer in &self.list[self.tasks[task as usize].holds.range()] {
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
