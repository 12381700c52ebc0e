//! Aligned memory that several threads fill in disjoint ranges.

use std::cell::UnsafeCell;

/// One cache line of floats.
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "reached through pointers only")] UnsafeCell<[f32; LINE]>);

/// Floats in a cache line.
pub(super) const LINE: usize = 16;

/// Floats in memory that starts on a cache line. Threads may write disjoint ranges of it at the same
/// time through [`Buffer::pointer`]; who may touch what, and when, is the executor's plan.
pub(crate) struct Buffer {
    lines: Box<[Line]>,
    len: usize,
}

// SAFETY: the floats are only reached through `pointer`, whose users state that nobody else touches
// the same floats at the same time, or through `&mut self`.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// A buffer of `len` zeros.
    pub(crate) fn zeroed(len: usize) -> Self {
        let lines = (0..len.div_ceil(LINE)).map(|_| Line(UnsafeCell::new([0.0; LINE]))).collect();
        Self { lines, len }
    }

    /// How many floats it holds.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Where its floats start.
    pub(crate) fn pointer(&self) -> *mut f32 {
        self.lines.as_ptr().cast::<f32>().cast_mut()
    }

    /// Its floats.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: `lines` holds at least `len` floats in one piece, and `&mut self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.pointer(), self.len) }
    }

    /// Its floats, to read.
    ///
    /// # Safety
    /// Nobody may write to them while the slice lives.
    pub(crate) unsafe fn as_slice(&self) -> &[f32] {
        // SAFETY: `lines` holds at least `len` floats in one piece; nobody writes, as promised.
        unsafe { std::slice::from_raw_parts(self.pointer(), self.len) }
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} floats)", self.len)
    }
}
