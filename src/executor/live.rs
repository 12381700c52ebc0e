//! How many bytes of recycled buffers a plan holds as its parts start and end: the counting of
//! `RunState::acquire` and `release`, without the buffers.

use super::plan::{Plan, Span};

/// The buffers of one run that is driven part by part.
#[derive(Clone, Debug, Default)]
pub(super) struct LiveBytes {
    tasks: Vec<Task>,
    /// What the tasks' spans point into: storages.
    spans: Vec<u32>,
    storages: Vec<Storage>,
    now: usize,
    peak: usize,
}

#[derive(Clone, Copy, Debug)]
struct Task {
    /// Storages that it writes first.
    acquires: Span,
    /// Storages that it reads or writes.
    holds: Span,
    parts: u32,
    parts_left: u32,
}

#[derive(Clone, Copy, Debug)]
struct Storage {
    bytes: usize,
    holders: u32,
    /// Tasks that have yet to let go of it.
    holders_left: u32,
    /// Whether it has a buffer.
    held: bool,
}

impl LiveBytes {
    /// Nothing has run yet.
    pub(super) fn new(plan: &Plan) -> Self {
        let tasks = plan.tasks.iter().map(|task| Task {
            acquires: task.acquires,
            holds: task.holds,
            parts: task.parts,
            parts_left: task.parts,
        });
        let storages = plan.storages.iter().map(|storage| Storage {
            bytes: storage.floats * size_of::<f32>(),
            holders: storage.holders,
            holders_left: storage.holders,
            held: false,
        });
        Self {
            tasks: tasks.collect(),
            spans: plan.held.clone(),
            storages: storages.collect(),
            now: 0,
            peak: 0,
        }
    }

    /// As at the beginning.
    pub(super) fn reset(&mut self) {
        for task in &mut self.tasks {
            task.parts_left = task.parts;
        }
        for storage in &mut self.storages {
            storage.holders_left = storage.holders;
            storage.held = false;
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
        let acquired = &self.spans[self.tasks[task as usize].acquires.range()];
        let storages = acquired.iter().map(|&storage| self.storages[storage as usize]);
        storages.filter(|storage| !storage.held).map(|storage| storage.bytes).sum()
    }

    /// Bytes that would be given back, were `task` to end now.
    pub(super) fn frees(&self, task: u32) -> usize {
        let held = &self.spans[self.tasks[task as usize].holds.range()];
        let storages = held.iter().map(|&storage| self.storages[storage as usize]);
        storages.filter(|storage| storage.holders_left == 1).map(|storage| storage.bytes).sum()
    }

    /// A part of `task` starts.
    pub(super) fn start(&mut self, task: u32) {
        self.now += self.takes(task);
        self.peak = self.peak.max(self.now);
        for &storage in &self.spans[self.tasks[task as usize].acquires.range()] {
            self.storages[storage as usize].held = true;
        }
    }

    /// A part of `task` has ended.
    pub(super) fn end(&mut self, task: u32) {
        let task = &mut self.tasks[task as usize];
        task.parts_left -= 1;
        if task.parts_left > 0 {
            return;
        }
        for &storage in &self.spans[task.holds.range()] {
            let storage = &mut self.storages[storage as usize];
            storage.holders_left -= 1;
            if storage.holders_left == 0 && std::mem::take(&mut storage.held) {
                self.now -= storage.bytes;
            }
        }
    }
}

impl Plan {
    /// The most bytes of recycled buffers that are held at one time when tasks run one after another
    /// in the plan's order, as the sequential executor does it.
    pub fn sequential_peak_bytes(&self) -> usize {
        let mut live = LiveBytes::new(self);
        for task in 0..self.tasks.len() as u32 {
            for _ in 0..self.tasks[task as usize].parts {
                live.start(task);
                live.end(task);
            }
        }
        live.peak()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::executor::{Executor, Mode, Parameters, Plan, PlanOptions, Run, Sequential};
    use crate::model::Model;

    #[test]
    fn the_peak_of_the_sequential_executor_is_counted() {
        for name in ["inception", "digits"] {
            let model = Model::open(Some(name)).unwrap();
            let (graph, optimizer) = (&model.graph, &model.training.optimizer);
            let options = PlanOptions { chunk_bytes: 1 << 20, ..PlanOptions::default() };
            let plan = Plan::compile(graph, Mode::Training, 16, optimizer, options).unwrap();
            let parameters = Parameters::initialize(graph, optimizer.as_ref(), 0);
            let expected = plan.sequential_peak_bytes();
            assert!(expected > 0, "{name}");
            let mut run = Run::new(Arc::new(plan), Arc::new(parameters)).unwrap();
            Sequential::new().execute(&mut run).unwrap();
            // Buffers may be larger than what they are taken for, by a quarter at the most.
            let measured = run.peak_recycled_bytes();
            assert!((expected..=expected + expected / 4).contains(&measured), "{name}: {measured}");
        }
    }
}
