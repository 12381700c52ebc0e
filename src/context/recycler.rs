//! Buffers that go round.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::kernels::{Buffer, Slabs};

/// Buffers that tasks take for their results and give back after the last read, so that a step
/// allocates nothing once all sizes have been seen.
#[derive(Debug, Default)]
pub(crate) struct Recycler {
    shelves: Mutex<Shelves>,
    live: AtomicUsize,
    peak: AtomicUsize,
}

#[derive(Debug, Default)]
struct Shelves {
    slabs: Slabs,
    all: Vec<Buffer>,
    /// By size in floats: buffers that nobody holds; the one given back last goes out first, since
    /// it is the likeliest to be in a cache.
    free: BTreeMap<usize, Vec<usize>>,
}

impl Recycler {
    /// A buffer of at least `floats` floats: its number and where it starts. Its content is left
    /// over from its last use.
    pub(crate) fn take(&self, floats: usize) -> (usize, *mut f32) {
        let mut shelves = self.shelves.lock();
        let fits =
            shelves.free.range_mut(floats..=floats + floats / 4).find_map(|(_, shelf)| shelf.pop());
        let number = fits.unwrap_or_else(|| {
            let buffer = shelves.slabs.zeroed(floats);
            shelves.all.push(buffer);
            shelves.all.len() - 1
        });
        let buffer = &shelves.all[number];
        let bytes = buffer.len() * size_of::<f32>();
        let live = self.live.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(live, Ordering::Relaxed);
        (number, buffer.pointer())
    }

    /// Gives a buffer back.
    pub(crate) fn give_back(&self, number: usize) {
        let mut shelves = self.shelves.lock();
        let floats = shelves.all[number].len();
        shelves.free.entry(floats).or_default().push(number);
        self.live.fetch_sub(floats * size_of::<f32>(), Ordering::Relaxed);
    }

    /// The most bytes that were out at one time.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }
}
