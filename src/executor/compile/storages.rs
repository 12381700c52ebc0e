//! Which values have memory of their own, and whether it is fixed or recycled.

use super::values::Values;
use crate::executor::plan::{NONE, Place, Plan, Storage};

/// Storages up to this size have a fixed place: recycling them would cost more than they hold.
const ARENA_FLOATS: usize = 4096;

/// Floats of a cache line.
const LINE: usize = 16;

/// The storages of a plan.
pub(super) struct Storages {
    /// By value that is a root: its storage.
    pub(super) of_root: Vec<u32>,
    pub(super) list: Vec<Storage>,
}

impl Storages {
    pub(super) fn assign(values: &Values) -> Self {
        let mut storages = Self { of_root: vec![NONE; values.drafts.len()], list: Vec::new() };
        for (value, draft) in values.drafts.iter().enumerate() {
            if values.has_storage(value as u32) {
                let floats = values.storage_floats(value as u32);
                let fixed = draft.kept || floats <= ARENA_FLOATS;
                storages.of_root[value] = storages.list.len() as u32;
                storages.list.push(Storage {
                    place: if fixed { Place::Arena(0) } else { Place::Recycled },
                    floats,
                    holders: 0,
                });
            }
        }
        storages
    }

    /// Gives every fixed storage its place in the arena.
    pub(super) fn place(&mut self, plan: &mut Plan) {
        let mut end = 0;
        for storage in &mut self.list {
            if let Place::Arena(start) = &mut storage.place {
                *start = end;
                end += storage.floats.next_multiple_of(LINE);
            }
        }
        plan.arena_floats = end;
        plan.storages.clone_from(&self.list);
    }
}
