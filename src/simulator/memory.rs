//! Recycled buffers over virtual time.

use std::collections::BTreeMap;

use crate::executor::plan::{Place, Plan};

/// What the run's recycler would have handed out: sizes only.
#[derive(Debug)]
pub(super) struct Memory {
    /// By storage: tasks that still hold it.
    holders: Vec<u32>,
    /// By storage: floats of the buffer that it has; 0 for none.
    buffers: Vec<usize>,
    /// By size in floats: buffers that nobody holds. They stay from step to step.
    free: BTreeMap<usize, usize>,
    live: usize,
    pub(super) peak: usize,
    /// Bytes in use, whenever they changed, by seconds.
    pub(super) history: Vec<(f64, usize)>,
}

impl Memory {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            holders: plan.storages.iter().map(|it| it.holders).collect(),
            buffers: vec![0; plan.storages.len()],
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
    pub(super) fn acquire(&mut self, plan: &Plan, task: usize, now: f64) {
        for &storage in &plan.held[plan.tasks[task].acquires.range()] {
            let storage = storage as usize;
            if self.buffers[storage] > 0 || plan.storages[storage].place != Place::Recycled {
                continue;
            }
            let floats = plan.storages[storage].floats;
            // As the recycler does: a free one that is at most a quarter too large, or a new one.
            let mut fitting = self.free.range_mut(floats..=floats + floats / 4);
            let found = fitting.find(|(_, count)| **count > 0).map(|(&floats, count)| {
                *count -= 1;
                floats
            });
            self.buffers[storage] = found.unwrap_or(floats);
            self.live += self.buffers[storage] * size_of::<f32>();
            self.peak = self.peak.max(self.live);
            self.history.push((now, self.live));
        }
    }

    /// A task ends: buffers that nobody else holds go back.
    pub(super) fn release(&mut self, plan: &Plan, task: usize, now: f64) {
        for &storage in &plan.held[plan.tasks[task].holds.range()] {
            let storage = storage as usize;
            self.holders[storage] -= 1;
            if self.holders[storage] == 0 {
                self.holders[storage] = plan.storages[storage].holders;
                let floats = std::mem::take(&mut self.buffers[storage]);
                if floats > 0 {
                    *self.free.entry(floats).or_default() += 1;
                    self.live -= floats * size_of::<f32>();
                    self.history.push((now, self.live));
                }
            }
        }
    }
}
