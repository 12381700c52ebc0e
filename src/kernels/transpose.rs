//! Transposition of blocks.

/// Writes columns `0..cols` of `rows` rows that start at `from`, `stride` floats apart, as rows of
/// `to_stride` floats: `to[col * to_stride + row] = from[row * stride + col]`.
///
/// # Safety
/// The floats named must be readable and writable, respectively.
pub(super) unsafe fn transpose(
    from: *const f32,
    stride: usize,
    rows: usize,
    cols: usize,
    to: *mut f32,
    to_stride: usize,
) {
    for col in 0..cols {
        for row in 0..rows {
            // SAFETY: the caller names these floats.
            unsafe { *to.add(col * to_stride + row) = *from.add(row * stride + col) };
        }
    }
}
