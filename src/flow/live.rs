//! How many bytes of buffers a run holds as its parts start and end: the counting of buffers, without them.

use super::graph::TaskGraph;
use super::holders::Holders;
use super::index::{BufferIndex, Span, TaskIndex};

/// The buffers of one run that is driven part by part.
#[derive(Debug, Default)]
pub(super) struct LiveBytes {
    tasks: Vec<Task>,
    /// What the tasks' spans point into.
    list: Vec<BufferIndex>,
    /// By buffer.
    bytes: Vec<usize>,
    exists: Vec<bool>,
    holders: Holders,
    now: usize,
    peak: usize,
}

#[derive(Clone, Copy, Debug)]
struct Task {
    acquires: Span<BufferIndex>,
    buffers: Span<BufferIndex>,
    parts: u32,
    parts_left: u32,
}

impl LiveBytes {
    /// Nothing has run yet.
    pub(super) fn new(graph: &TaskGraph) -> Self {
        let tasks = graph.tasks.iter().map(|task| Task {
            acquires: task.acquires,
            buffers: task.buffers,
            parts: task.parts,
            parts_left: task.parts,
        });
        Self {
            bytes: graph.buffers.bytes.clone(),
            exists: vec![false; graph.buffers.bytes.len()],
            holders: Holders::new(graph),
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
        self.holders.reset();
        self.exists.fill(false);
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

    fn acquired(&self, task: TaskIndex) -> &[BufferIndex] {
        self.tasks[task].acquires.of(&self.list)
    }

    /// Bytes that a part of `task` would take, were it to start now.
    pub(super) fn takes(&self, task: TaskIndex) -> usize {
        let new = self.acquired(task).iter().filter(|&&buffer| !self.exists[buffer]);
        new.map(|&buffer| self.bytes[buffer]).sum()
    }

    /// Bytes that would be given back, were `task` to end now.
    pub(super) fn frees(&self, task: TaskIndex) -> usize {
        let touched = self.tasks[task].buffers.of(&self.list).iter();
        let last = touched.filter(|&&buffer| self.holders.is_last(buffer));
        last.map(|&buffer| self.bytes[buffer]).sum()
    }

    /// A part of `task` starts.
    pub(super) fn start(&mut self, task: TaskIndex) {
        self.now += self.takes(task);
        self.peak = self.peak.max(self.now);
        for &buffer in self.tasks[task].acquires.of(&self.list) {
            self.exists[buffer] = true;
        }
    }

    /// A part of `task` has ended.
    pub(super) fn end(&mut self, task: TaskIndex) {
        let left = &mut self.tasks[task].parts_left;
        *left -= 1;
        if *left > 0 {
            return;
        }
        let Self { tasks, list, bytes, exists, holders, now, .. } = self;
        holders.release(tasks[task].buffers.of(list), |buffer| {
            if std::mem::take(&mut exists[buffer]) {
                *now -= bytes[buffer];
            }
        });
    }
}

impl TaskGraph {
    /// The most bytes of buffers that are held at one time when tasks run one after another in the graph's
    /// order, as the sequential executor does it.
    pub fn sequential_peak_bytes(&self) -> usize {
        let mut live = LiveBytes::new(self);
        for task in self.indices() {
            for _ in 0..self.tasks[task].parts {
                live.start(task);
                live.end(task);
            }
        }
        live.peak()
    }
}
