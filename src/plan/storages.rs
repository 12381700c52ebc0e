//! Which values have memory of their own, and whether it is fixed or recycled.

use super::values::Values;
use crate::context::{Place, Storage};
use crate::flow::graph::BufferUse;
use crate::flow::index::{BufferIndex, ValueIndex};

/// Storages up to this size have a fixed place: recycling them would cost more than they hold.
const ARENA_FLOATS: usize = 4096;

/// Floats of a cache line.
const LINE: usize = 16;

/// The storages of a plan.
pub(super) struct Storages {
    /// By value: its storage, if it is a root with one.
    pub(super) of_root: Vec<Option<BufferIndex>>,
    pub(super) list: Vec<Storage>,
    /// By storage: tasks that touch it, if it is recycled.
    pub(super) holders: Vec<u32>,
}

impl Storages {
    pub(super) fn assign(values: &Values) -> Self {
        let of_root = vec![None; values.drafts.len()];
        let mut storages = Self { of_root, list: Vec::new(), holders: Vec::new() };
        for value in ValueIndex::below(values.drafts.len()) {
            if values.has_storage(value) {
                let floats = values.storage_floats(value);
                let fixed = values.drafts[value].kept || floats <= ARENA_FLOATS;
                storages.of_root[value] = Some(BufferIndex::new(storages.list.len()));
                storages.list.push(Storage {
                    place: if fixed { Place::Arena(0) } else { Place::Recycled },
                    floats,
                });
            }
        }
        storages.holders = vec![0; storages.list.len()];
        storages
    }

    /// Gives every fixed storage its place in the arena; says how many floats that takes.
    pub(super) fn place(&mut self) -> usize {
        let mut end = 0;
        for storage in &mut self.list {
            if let Place::Arena(start) = &mut storage.place {
                *start = end;
                end += storage.floats.next_multiple_of(LINE);
            }
        }
        end
    }

    /// Tells the graph of tasks how large each buffer is, and how many tasks hold it.
    pub(super) fn describe(&self, buffers: &mut BufferUse) {
        buffers.bytes = self.list.iter().map(|it| it.floats * size_of::<f32>()).collect();
        buffers.holders.clone_from(&self.holders);
    }
}
