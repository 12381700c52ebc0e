//! The matrix product of 16-bit numbers: the forward phase of dense layers, and their input gradient.

use super::super::panels::{PANEL, panel_columns, panel_width};
use super::super::product::{ROWS, blocks};
use super::super::tile::{Ahead, Start};
use super::super::{MatrixMut, MatrixRef, with_scratch};
use super::packing::pair_each_row;
use super::pairs::{PairPanels, pairs, row_of};
use super::tile::Tile;
use super::tile_x86::tiles;

/// Pairs of a sum between two visits of the output: the rows and the panel read in these fit the second-level cache.
const STEPS: usize = 768;

/// `c = a b + bias`, overwriting `c`, all numbers of a and b rounded to 16 bits: a is m x k, b is k x n, the bias has n
/// numbers, c is m x n.
///
/// Every number has the same bits in whatever rows and panels it is computed.
///
/// # Panics
/// If the sizes do not fit, or the machine lacks the instructions.
pub(crate) fn bf16_product(
    a: MatrixRef<'_>,
    b: PairPanels<'_>,
    bias: Option<&[f32]>,
    mut c: MatrixMut<'_>,
) {
    assert_eq!((a.cols(), a.rows()), (b.rows(), c.rows()), "columns of a, rows of b; rows");
    assert_eq!(b.cols(), c.cols(), "columns of b, columns of c");
    assert!(bias.is_none_or(|bias| bias.len() == b.cols()), "bias, columns of b");
    for rows in blocks(a.rows(), ROWS) {
        for steps in blocks(pairs(a.cols()), STEPS) {
            let a = a.slice_cols(2 * steps.start..a.cols().min(2 * steps.end));
            let a = a.slice_rows(rows.clone());
            let mut c = c.reborrow().slice_rows(rows.clone());
            let stride = row_of(steps.len());
            with_scratch(a.rows() * stride, |left| {
                pair_each_row(a, left, stride);
                for panel in 0..b.count() {
                    let columns = panel_columns(b.cols(), panel);
                    let width = panel_width(b.cols(), panel);
                    let start = match bias {
                        _ if steps.start > 0 => Start::Output,
                        Some(bias) => Start::Bias(bias[columns.clone()].as_ptr()),
                        None => Start::Zero,
                    };
                    let b = &b.panel(panel)[steps.start * width..steps.end * width];
                    let mut c = c.reborrow().slice_cols(columns);
                    let tile = Tile {
                        a: left.as_ptr(),
                        a_row: stride,
                        a_step: 1,
                        b: b.as_ptr(),
                        steps: steps.len(),
                        c_row: c.stride(),
                        columns: c.cols(),
                        c: c.as_mut_ptr(),
                        start,
                    };
                    // SAFETY: each row of a has its pairs, each step `width` columns of b, the bias and c have those of
                    // the panel, and c is exclusive; the machine has the instructions, or `pair_each_row` had ended.
                    unsafe { tiles(tile, a.rows(), width, |_, _| Ahead::NOTHING) };
                }
            });
        }
    }
}

const _: () = assert!(PANEL == 32, "tiles have 16 or 32 columns");
