//! What is asked of the instructions: a tile of a product.

use super::super::tile::Start;

/// Rows of 16 or 32 columns. Distances are in pairs, which take as much memory as floats.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(target_arch = "x86_64"),
    expect(dead_code, reason = "nobody reads what nobody computes")
)]
pub(super) struct Tile {
    /// The first pair of the first row, and how far the next row and the next step are.
    pub(super) a: *const f32,
    pub(super) a_row: usize,
    pub(super) a_step: usize,
    /// For each step a pair for every column.
    pub(super) b: *const f32,
    pub(super) steps: usize,
    pub(super) c: *mut f32,
    pub(super) c_row: usize,
    /// Columns of `c` that exist.
    pub(super) columns: usize,
    pub(super) start: Start,
}
