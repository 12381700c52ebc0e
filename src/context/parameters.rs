//! Where parameters live, with what the optimizer keeps beside them.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::kernels::{self, Buffer, Panels, Slabs};

/// The weights of a network and what its optimizer keeps beside them, in memory layout.
///
/// Runs read them, and the update tasks of training runs write them, in the order that the plan sets.
/// Everybody else goes through methods that copy, between runs. Runs that share parameters may be executed
/// on several threads: predictions side by side, a training step alone.
#[derive(Debug)]
pub struct Parameters {
    pub(crate) entries: Vec<Entry>,
    /// Locked for as long as an execution, or a copy, takes.
    lock: RwLock<()>,
    /// How often somebody held them to write.
    version: AtomicU64,
}

/// Held by who uses parameters, for as long as it does.
#[derive(Debug)]
pub(crate) enum Hold<'a> {
    /// With others who read.
    Shared { _lock: RwLockReadGuard<'a, ()> },
    /// Alone, to write.
    Exclusive { _lock: RwLockWriteGuard<'a, ()> },
}

/// One parameter.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) weights: Buffer,
    pub(crate) state: Vec<Buffer>,
    /// The exponential moving average of the weights, if there is one.
    pub(crate) average: Option<Buffer>,
    pub(crate) matrix: Matrix,
}

impl Entry {
    /// All that training moves.
    fn buffers(&self) -> impl Iterator<Item = &Buffer> {
        [&self.weights].into_iter().chain(&self.state).chain(&self.average)
    }

    /// The weights that predictions use.
    fn predicting(&self) -> &Buffer {
        self.average.as_ref().unwrap_or(&self.weights)
    }
}

/// A parameter as a matrix: (all axes but the last) x (last axis), or one group of its columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
}

impl Matrix {
    /// One group of weights in panels, as kernels read them.
    pub(crate) fn panels(self, memory: &[f32], group: usize) -> Panels<'_> {
        let floats = kernels::panels_of_group(memory, self.rows, self.cols, group);
        Panels::new(floats, self.rows, self.cols)
    }
}

impl Parameters {
    pub(crate) fn of(entries: Vec<Entry>) -> Self {
        Self { entries, lock: RwLock::new(()), version: AtomicU64::new(1) }
    }

    /// Waits until nobody writes, or, to write, until nobody else uses them.
    pub(crate) fn hold(&self, to_write: bool) -> Hold<'_> {
        if to_write {
            let lock = self.lock.write();
            self.version.fetch_add(1, Ordering::Relaxed);
            Hold::Exclusive { _lock: lock }
        } else {
            Hold::Shared { _lock: self.lock.read() }
        }
    }

    /// A number, never 0, that is another one whenever weights may have moved; `_hold` is one of these parameters.
    pub(crate) fn version(&self, _hold: &Hold<'_>) -> u64 {
        // Whoever writes counts while it holds the lock alone, so the lock orders the counts.
        self.version.load(Ordering::Relaxed)
    }

    /// A copy of the weights that predictions use, without what the optimizer keeps.
    pub(crate) fn copy_for_prediction(&self) -> Self {
        let hold = self.hold(false);
        let mut slabs = Slabs::default();
        let copy = |entry: &Entry| {
            let mut weights = slabs.zeroed(entry.weights.len());
            weights.as_mut_slice().copy_from_slice(read(entry.predicting(), &hold));
            Entry { weights, state: Vec::new(), average: None, matrix: entry.matrix }
        };
        Self::of(self.entries.iter().map(copy).collect())
    }

    /// Takes over the weights that predictions with others use; these are a copy of [`Self::copy_for_prediction`].
    pub(crate) fn predict_like(&self, others: &Self) {
        let (hold, mut own) = (others.hold(false), self.hold(true));
        for (entry, other) in self.entries.iter().zip(&others.entries) {
            write(&entry.weights, &mut own).copy_from_slice(read(other.predicting(), &hold));
        }
    }

    /// A copy of everything, to restore with [`Parameters::restore`].
    pub(crate) fn snapshot(&self) -> Vec<Vec<f32>> {
        let buffers = self.entries.iter().flat_map(Entry::buffers);
        let hold = self.hold(false);
        buffers.map(|buffer| read(buffer, &hold).to_vec()).collect()
    }

    /// [`Parameters::snapshot`] into memory that is used again.
    pub(crate) fn snapshot_into(&self, copy: &mut Vec<Vec<f32>>) {
        if !self.fits(copy) {
            *copy = self.snapshot();
            return;
        }
        let buffers = self.entries.iter().flat_map(Entry::buffers);
        let hold = self.hold(false);
        for (buffer, copy) in buffers.zip(copy) {
            copy.copy_from_slice(read(buffer, &hold));
        }
    }

    /// The first parameter that `counts` whose numbers, or whose state, are not all finite.
    pub(crate) fn first_not_finite(&self, counts: impl Fn(usize) -> bool) -> Option<usize> {
        let hold = self.hold(false);
        let finite = |buffer: &Buffer| kernels::all_finite(read(buffer, &hold));
        let mut entries = self.entries.iter().enumerate().filter(|(index, _)| counts(*index));
        let broken = |entry: &Entry| !entry.buffers().all(finite);
        entries.find(|(_, entry)| broken(entry)).map(|(index, _)| index)
    }

    /// Whether [`Parameters::restore`] could take this.
    pub(crate) fn fits(&self, snapshot: &[Vec<f32>]) -> bool {
        let buffers = self.entries.iter().flat_map(Entry::buffers);
        buffers.map(Buffer::len).eq(snapshot.iter().map(Vec::len))
    }

    /// Puts back what [`Parameters::snapshot`] copied.
    pub(crate) fn restore(&self, snapshot: &[Vec<f32>]) {
        let buffers = self.entries.iter().flat_map(Entry::buffers);
        let mut hold = self.hold(true);
        for (buffer, copy) in buffers.zip(snapshot) {
            write(buffer, &mut hold).copy_from_slice(copy);
        }
    }
}

/// The numbers of a buffer that belongs to the parameters that `hold` holds.
pub(crate) fn read<'a>(buffer: &'a Buffer, _hold: &'a Hold<'_>) -> &'a [f32] {
    // SAFETY: who writes through a shared reference, the update tasks of a run and `write`, holds the lock
    // of these parameters exclusively; so nobody does while it is held here.
    unsafe { buffer.as_slice() }
}

/// The same, to write; `hold` is an exclusive one.
pub(crate) fn write<'a>(buffer: &'a Buffer, _hold: &'a mut Hold<'_>) -> &'a mut [f32] {
    // SAFETY: the lock is held exclusively (all callers ask for it so), so nobody else looks; and the
    // exclusive borrow of what holds it keeps this slice the only one.
    unsafe { std::slice::from_raw_parts_mut(buffer.pointer(), buffer.len()) }
}
