//! In place of the instructions, on machines of other kinds: nobody gets here, for nobody runs a plan that needs them
//! where [`bf16_missing`](super::bf16_missing) names one, and every kernel asserts as much.

use super::super::tile::Ahead;
use super::tile::Tile;

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
