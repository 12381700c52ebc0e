//! Memory that kernels work in and leave behind for the next kernel on the same thread.

use std::cell::RefCell;

use super::Buffer;

thread_local! {
    /// Buffers that nobody uses now. Calls nest, so the one on top belongs to the outermost call:
    /// each depth of nesting gets the same buffer every time.
    static FREE: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
}

/// Runs `work` with `len` floats of this thread's scratch, which start on a cache line and hold
/// whatever was left there. Calls may nest; a nested call gets other floats. Nothing is allocated
/// unless a depth of nesting asks for more than ever before on this thread.
pub(crate) fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = FREE
        .with_borrow_mut(Vec::pop)
        .filter(|buffer| buffer.len() >= len)
        .unwrap_or_else(|| Buffer::zeroed(len.next_multiple_of(1024)));
    let result = work(&mut buffer.as_mut_slice()[..len]);
    FREE.with_borrow_mut(|free| free.push(buffer));
    result
}
