//! In place of the instructions, on machines of other kinds: nobody gets here, for nobody runs a plan that needs them
//! where [`bf16_missing`](super::bf16_missing) names one, and every kernel asserts as much.

use super::super::tile::Start;

/// As with the instructions.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "nobody reads what nobody computes")]
pub(super) struct Tile {
    pub(super) a: *const f32,
    pub(super) a_row: usize,
    pub(super) a_step: usize,
    pub(super) b: *const f32,
    pub(super) steps: usize,
    pub(super) c: *mut f32,
    pub(super) c_row: usize,
    pub(super) columns: usize,
    pub(super) start: Start,
}

/// As with the instructions.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "nobody reads what nobody computes")]
pub(super) struct Ahead {
    pub(super) from: *const f32,
    pub(super) step: usize,
}

impl Ahead {
    pub(super) const NOTHING: Self = Self { from: std::ptr::null(), step: 0 };
}

pub(super) unsafe fn pair_rows(_first: &[f32], _second: &[f32], _to: &mut [f32]) {
    unreachable!("no instructions for 16-bit products");
}

pub(super) unsafe fn pair_columns(_row: &[f32], _to: &mut [f32]) {
    unreachable!("no instructions for 16-bit products");
}

pub(super) unsafe fn tiles(
    _tile: Tile,
    _rows: usize,
    _width: usize,
    _ahead: impl FnMut(usize, usize) -> Ahead,
) {
    unreachable!("no instructions for 16-bit products");
}
