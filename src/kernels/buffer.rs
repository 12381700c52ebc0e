//! Aligned memory that several threads fill in disjoint ranges.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::Arc;

/// Floats in a cache line.
pub(super) const LINE: usize = 16;

/// Bytes of a cache line.
const LINE_BYTES: usize = LINE * size_of::<f32>();

/// Bytes of a huge page of most processors: where memory begins that may lie in such.
const HUGE_PAGE: usize = 2 << 20;

/// Bytes from which on memory lies in huge pages.
const LARGE: usize = 2 * HUGE_PAGE;

/// Bytes that [`Slabs`] hand out in buffers of their own before they begin a slab, since part of a huge page
/// would be wasted.
const SMALL: usize = HUGE_PAGE;

/// Bytes of a slab. The system gives memory for what is touched alone; so many at once never come from what
/// the process has freed before, which would have to be filled with zeros.
const SLAB: usize = 64 << 20;

/// Bytes between buffers of a slab, so that arrays of one length that are read side by side, such as weights and
/// velocities, do not lie whole pages apart: a processor takes a write to the one for a write to the other.
const GAP: usize = 5 * LINE_BYTES;

/// Memory that buffers lie in, zero at first.
struct Region {
    memory: NonNull<u8>,
    layout: Layout,
    /// The first byte on a cache line, or on a huge page.
    start: NonNull<u8>,
}

// SAFETY: nobody reaches the bytes through a region; buffers say who may.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// At least `bytes` bytes, in huge pages where they are many and the system has such.
    fn zeroed(bytes: usize) -> Arc<Self> {
        let alignment = if bytes >= LARGE { HUGE_PAGE } else { LINE_BYTES };
        // The alignment is made here: asked for memory that is aligned to so much and zero, the standard library
        // writes the zeros, and so touches all of it.
        let layout = bytes
            .checked_add(alignment)
            .and_then(|bytes| Layout::from_size_align(bytes, align_of::<f32>()).ok())
            .unwrap_or_else(|| panic!("{bytes} bytes are more than there can be"));
        // SAFETY: the layout has at least the bytes of the alignment.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(memory) = NonNull::new(memory) else { handle_alloc_error(layout) };
        let skipped = memory.as_ptr().align_offset(alignment);
        // SAFETY: fewer bytes than the alignment, which were asked for in addition.
        let start = unsafe { memory.add(skipped) };
        if alignment == HUGE_PAGE {
            ask_for_huge_pages(start, bytes - bytes % HUGE_PAGE);
        }
        Arc::new(Self { memory, layout, start })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and no buffer lies in it any more.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) };
    }
}

/// Asks the system to put these bytes into huge pages. Weights and gradients are read from end to end in every step;
/// in pages of 4 KiB, a processor looks up where each lies as often as it crosses into another, and has forgotten
/// most of them by the next step.
#[cfg(target_os = "linux")]
fn ask_for_huge_pages(start: NonNull<u8>, bytes: usize) {
    // SAFETY: whole pages of memory that is allocated here, whose content stays. A system that refuses leaves it as
    // it is, so nobody looks at the result.
    unsafe { libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE) };
}

/// Elsewhere the system decides by itself.
#[cfg(not(target_os = "linux"))]
fn ask_for_huge_pages(_start: NonNull<u8>, _bytes: usize) {}

/// Floats in memory that starts on a cache line. Threads may write disjoint ranges of it at the same
/// time through [`Buffer::pointer`]; who may touch what, and when, is the executor's plan.
pub(crate) struct Buffer {
    start: NonNull<f32>,
    len: usize,
    /// Other buffers may lie in it beside this one.
    _region: Arc<Region>,
}

// SAFETY: the floats are only reached through `pointer`, whose users state that nobody else touches
// the same floats at the same time, or through `&mut self`.
unsafe impl Sync for Buffer {}
// SAFETY: no thread has a claim to the floats.
unsafe impl Send for Buffer {}

impl Buffer {
    /// A buffer of `len` zeros.
    pub(crate) fn zeroed(len: usize) -> Self {
        let region = Region::zeroed(len.saturating_mul(size_of::<f32>()));
        Self { start: region.start.cast(), len, _region: region }
    }

    /// How many floats it holds.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Where its floats start.
    pub(crate) fn pointer(&self) -> *mut f32 {
        self.start.as_ptr()
    }

    /// Its floats.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: the region holds `len` floats from `start` on that are no other buffer's, and `&mut self` is
        // exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.pointer(), self.len) }
    }

    /// Its floats, to read.
    ///
    /// # Safety
    /// Nobody may write to them while the slice lives.
    pub(crate) unsafe fn as_slice(&self) -> &[f32] {
        // SAFETY: the region holds `len` floats from `start` on; nobody writes, as promised.
        unsafe { std::slice::from_raw_parts(self.pointer(), self.len) }
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} floats)", self.len)
    }
}

/// Hands out buffers that are used together. Beyond the first of them, these lie side by side in slabs, and so in huge
/// pages, which each of them alone may be too small for.
#[derive(Default)]
pub(crate) struct Slabs {
    /// Bytes handed out so far.
    bytes: usize,
    /// The slab at hand, and how many of its bytes are taken.
    slab: Option<(Arc<Region>, usize)>,
}

impl Slabs {
    /// A buffer of `len` zeros.
    pub(crate) fn zeroed(&mut self, len: usize) -> Buffer {
        let bytes = len.saturating_mul(size_of::<f32>()).checked_next_multiple_of(LINE_BYTES);
        let Some(bytes) = bytes.filter(|&bytes| bytes <= SLAB && self.bytes >= SMALL) else {
            self.bytes = self.bytes.saturating_add(len.saturating_mul(size_of::<f32>()));
            return Buffer::zeroed(len);
        };
        let (region, taken) = match self.slab.take() {
            Some((region, taken)) if taken + bytes <= SLAB => (region, taken),
            _ => (Region::zeroed(SLAB), 0),
        };
        // SAFETY: the slab has as many bytes from there on, which no other buffer has.
        let start = unsafe { region.start.add(taken) }.cast();
        self.slab = Some((Arc::clone(&region), taken + bytes + GAP));
        Buffer { start, len, _region: region }
    }
}

impl std::fmt::Debug for Slabs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Slabs({} bytes before the first)", self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{Buffer, HUGE_PAGE, LARGE, LINE_BYTES, SLAB, SMALL, Slabs};

    const FLOAT: usize = size_of::<f32>();

    fn bytes(buffer: &Buffer) -> std::ops::Range<usize> {
        let start = buffer.pointer() as usize;
        start..start + buffer.len() * FLOAT
    }

    #[test]
    fn buffers_are_zero_and_aligned() {
        for len in [0, 1, 15, 1000, LARGE / FLOAT - 1, LARGE / FLOAT, LARGE / FLOAT + 7] {
            let mut buffer = Buffer::zeroed(len);
            assert_eq!(buffer.len(), len);
            assert!(buffer.as_mut_slice().iter().all(|number| number.to_bits() == 0));
            let alignment = if len * FLOAT >= LARGE { HUGE_PAGE } else { LINE_BYTES };
            assert_eq!(bytes(&buffer).start % alignment, 0, "{len} floats");
        }
    }

    #[test]
    fn slabs_give_out_zeros_that_nobody_else_has() {
        let mut slabs = Slabs::default();
        let lens =
            [SMALL / FLOAT, 1, 100_000, 17, SLAB / FLOAT, 1_000_000, 0, SLAB / FLOAT - 99_999, 5];
        let mut buffers: Vec<Buffer> = lens.into_iter().map(|len| slabs.zeroed(len)).collect();
        drop(slabs);
        for (number, buffer) in buffers.iter_mut().enumerate() {
            assert_eq!(buffer.len(), lens[number]);
            assert_eq!(bytes(buffer).start % LINE_BYTES, 0);
            assert!(buffer.as_mut_slice().iter().all(|float| float.to_bits() == 0));
            buffer.as_mut_slice().fill(number as f32);
        }
        // Each still holds what it was filled with, also after others are gone.
        drop(buffers.remove(2));
        for (buffer, number) in buffers.iter_mut().zip([0, 1, 3, 4, 5, 6, 7, 8]) {
            assert!(buffer.as_mut_slice().iter().all(|&float| float == number as f32));
        }
        let small: Vec<_> = [1, 2, 4].map(|at| bytes(&buffers[at])).into();
        assert!(small[0].end <= small[1].start && small[1].end < small[0].start + HUGE_PAGE);
    }

    #[test]
    #[should_panic(expected = "more than there can be")]
    fn more_than_there_can_be_is_refused() {
        let _ = Buffer::zeroed(usize::MAX);
    }
}
