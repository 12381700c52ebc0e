//! The memory of a run: where each value lies, and the buffers that go round.

#![allow(clippy::inline_always)]

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use super::call::Operand;
use super::finite::FiniteCheck;
use super::layout::{Place, TensorLayout, Value};
use super::parameters::Parameters;
use super::recycler::Recycler;
use crate::flow::core::{Core, Delivery};
use crate::flow::graph::TaskGraph;
use crate::flow::holders::Holders;
use crate::flow::index::{BufferIndex, TaskIndex, ValueIndex};
use crate::flow::message::{Message, Slot};
use crate::kernels::{Buffer, MatrixMut, MatrixRef};

/// A message of a training step: where the value's storage starts. The numbers are never copied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handle(*mut f32);

// SAFETY: the pointer is a handle to a storage that the receiver's task holds until it is done; what
// may be read or written through it, and when, is the plan's order.
unsafe impl Send for Handle {}

impl Message for Handle {
    type Slot = AtomicPtr<f32>;

    fn signal() -> Self {
        // No address, and not null, which stands for no message.
        Self(std::ptr::without_provenance_mut(1))
    }
}

impl Slot<Handle> for AtomicPtr<f32> {
    fn new() -> Self {
        Self::new(std::ptr::null_mut())
    }

    #[inline]
    fn put(&self, message: Handle) {
        self.store(message.0, Ordering::Relaxed);
    }

    fn is_empty(&self) -> bool {
        self.load(Ordering::Relaxed).is_null()
    }

    #[inline]
    fn clear(&self) {
        self.store(std::ptr::null_mut(), Ordering::Relaxed);
    }
}

/// The tensors of a run.
pub(crate) struct Tensors {
    pub(crate) core: Core<Handle>,
    pub(crate) layout: Arc<TensorLayout>,
    pub(crate) parameters: Arc<Parameters>,
    /// Where each storage starts; null while a recycled one is not held.
    bases: Vec<AtomicPtr<f32>>,
    /// The recycler's number of the buffer that each recycled storage has, while it is held.
    buffers: Vec<AtomicUsize>,
    holders: Holders,
    pub(crate) recycler: Recycler,
    /// Where the fixed storages live; reached through `bases`.
    _arena: Buffer,
    /// How many training steps came before.
    pub(crate) step: AtomicU64,
    /// The bits of what the optimizer's learning rate is multiplied by.
    pub(crate) rate_factor: AtomicU32,
    /// Seeds what layers draw at random.
    pub(crate) seed: AtomicU64,
    pub(crate) finite: FiniteCheck,
}

impl std::fmt::Debug for Tensors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensors(of {} tasks)", self.core.graph().task_count())
    }
}

impl Tensors {
    /// Everything as it is before the first run of `graph`.
    pub(crate) fn new(
        graph: &Arc<TaskGraph>,
        layout: &Arc<TensorLayout>,
        parameters: Arc<Parameters>,
    ) -> Self {
        let arena = Buffer::zeroed(layout.arena_floats);
        let bases = layout.storages.iter().map(|storage| {
            AtomicPtr::new(match storage.place {
                Place::Arena(offset) => arena.pointer().wrapping_add(offset),
                Place::Recycled => std::ptr::null_mut(),
            })
        });
        Self {
            core: Core::new(Arc::clone(graph)),
            bases: bases.collect(),
            buffers: layout.storages.iter().map(|_| AtomicUsize::new(0)).collect(),
            holders: Holders::new(graph),
            recycler: Recycler::default(),
            _arena: arena,
            step: AtomicU64::new(0),
            rate_factor: AtomicU32::new(1.0f32.to_bits()),
            seed: AtomicU64::new(0),
            finite: FiniteCheck::default(),
            layout: Arc::clone(layout),
            parameters,
        }
    }

    /// Where a value's storage starts.
    #[inline]
    pub(crate) fn base(&self, value: ValueIndex) -> *mut f32 {
        match self.layout.values[value].storage {
            Some(storage) => self.bases[storage].load(Ordering::Relaxed),
            None => lies_nowhere(value),
        }
    }

    /// The message that carries a value.
    #[inline]
    pub(crate) fn handle(&self, value: Option<ValueIndex>) -> Handle {
        value.map_or_else(Handle::signal, |value| Handle(self.base(value)))
    }

    /// Where an operand's storage starts: what its message says, or, without messages and within
    /// one task, what the run knows.
    #[inline(always)] // called for every operand of the smallest layers
    fn base_of(&self, operand: Operand) -> *mut f32 {
        match operand.slot {
            Some(slot) if !self.core.delivers(Delivery::InOrder) => {
                self.core.slot(slot).load(Ordering::Relaxed)
            }
            _ => self.base(operand.value),
        }
    }

    #[inline]
    pub(crate) fn value(&self, value: ValueIndex) -> &Value {
        &self.layout.values[value]
    }

    /// Lets every buffer exist that a task writes first.
    #[inline]
    pub(crate) fn acquire(&self, task: TaskIndex) {
        for &storage in self.core.graph().acquired_by(task) {
            self.acquire_storage(storage);
        }
    }

    fn acquire_storage(&self, storage: BufferIndex) {
        if !self.bases[storage].load(Ordering::Acquire).is_null() {
            return;
        }
        let (number, start) = self.recycler.take(self.layout.storages[storage].floats);
        // Parts of one task, or inputs of one concat, may want the same storage at once: one of
        // them wins, the others give theirs back.
        let change = self.bases[storage].compare_exchange(
            std::ptr::null_mut(),
            start,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        match change {
            Ok(_) => self.buffers[storage].store(number, Ordering::Release),
            Err(_) => self.recycler.give_back(number),
        }
    }

    /// Lets go of what a task held.
    #[inline]
    pub(crate) fn release(&self, task: TaskIndex) {
        let buffers = self.core.graph().buffers_of(task);
        self.holders.release(buffers, |storage| self.release_storage(storage));
    }

    fn release_storage(&self, storage: BufferIndex) {
        if self.layout.storages[storage].place == Place::Recycled {
            let base = self.bases[storage].swap(std::ptr::null_mut(), Ordering::AcqRel);
            if !base.is_null() {
                self.recycler.give_back(self.buffers[storage].load(Ordering::Acquire));
            }
        }
    }

    /// Gives every buffer back, when no task is under way.
    pub(crate) fn release_all(&self) {
        self.holders.reset();
        BufferIndex::below(self.bases.len()).for_each(|storage| self.release_storage(storage));
    }
}

/// No call uses a value without a storage.
#[cold]
fn lies_nowhere(value: ValueIndex) -> ! {
    panic!("value {value} is used, but has no storage")
}

// The few lines where a run's buffers are split into the rows that each part may touch.
impl Tensors {
    /// The rows of `items` of a value that a call reads.
    #[inline(always)] // called for every operand of the smallest layers
    pub(crate) fn rows(&self, operand: Operand, items: &Range<usize>) -> MatrixRef<'_> {
        let value = self.value(operand.value);
        let start = value.offset + items.start * value.item_rows * value.stride;
        let rows = items.len() * value.item_rows;
        // SAFETY: the storage is as large as the plan says, and held until this task is done; its
        // writers came before, since the value's message did.
        unsafe {
            let first = self.base_of(operand).add(start);
            MatrixRef::from_raw(first, rows, value.cols, value.stride)
        }
    }

    /// The rows of `items` of a value that a call writes.
    #[inline]
    pub(crate) fn rows_mut(&self, value: ValueIndex, items: &Range<usize>) -> MatrixMut<'_> {
        let described = *self.value(value);
        let start = described.offset + items.start * described.item_rows * described.stride;
        let rows = items.len() * described.item_rows;
        // SAFETY: as above; a value has one writer, its parts write the rows of different items,
        // values in one storage have different columns, and where a value lies over one that is
        // read, the reader is this call alone.
        unsafe {
            let first = self.base(value).add(start);
            MatrixMut::from_raw(first, rows, described.cols, described.stride)
        }
    }

    /// A value without a batch axis that a call reads.
    #[inline]
    pub(crate) fn flat(&self, operand: Operand) -> &[f32] {
        let value = self.value(operand.value);
        let floats = value.floats * value.contributions as usize;
        // SAFETY: as for `rows`.
        unsafe { std::slice::from_raw_parts(self.base_of(operand), floats) }
    }

    /// A range of a value without a batch axis, to write.
    #[allow(clippy::mut_from_ref)] // which range belongs to whom is the plan's, as for `rows_mut`
    pub(crate) fn flat_mut(&self, operand: Operand, range: Range<usize>) -> &mut [f32] {
        // SAFETY: as for `rows_mut`: every part has its own contribution or its own rows.
        unsafe {
            let first = self.base_of(operand).add(range.start);
            std::slice::from_raw_parts_mut(first, range.len())
        }
    }
}
