//! The weight gradient of dense layers from 16-bit numbers.

use std::ops::Range;

use super::super::panels::{PANEL, panel_columns, panel_width};
use super::super::product::blocks;
use super::super::tile::{Ahead, Start};
use super::super::weight_gradient::{PanelShare, by_panel, check_sizes};
use super::super::{MatrixRef, with_scratch};
use super::packing::pair_all_rows;
use super::pairs::{pairs, row_of};
use super::tile::Tile;
use super::tile_x86::tiles;

/// Pairs of rows of both operands that are worked on together, which fit the second-level cache: their products are
/// added one after another, and then to the sums of the rows before.
const STEPS: usize = 256;

/// The given panel rows of `aᵀ d`, overwriting `gradient`, which holds just these, all numbers of a and d rounded to 16
/// bits: a is m x k, d is m x n, the gradient is k x n, in the layout of panels. Padding becomes 0.
///
/// It asks for `soon` as [`weight_gradient`](super::super::weight_gradient()) does.
///
/// # Panics
/// If the sizes do not fit, or the machine lacks the instructions.
pub(crate) fn bf16_weight_gradient(
    a: MatrixRef<'_>,
    d: MatrixRef<'_>,
    rows: Range<usize>,
    soon: &[&[f32]],
    gradient: &mut [f32],
) {
    check_sizes(a, d, rows.clone(), soon, gradient);
    if rows.is_empty() {
        return;
    }
    for steps in blocks(pairs(a.rows()), STEPS) {
        let soon = if steps.end == pairs(a.rows()) { soon } else { &[] };
        let start = if steps.start > 0 { Start::Onto } else { Start::Zero };
        let items = 2 * steps.start..a.rows().min(2 * steps.end);
        let (a, d) = (a.slice_rows(items.clone()), d.slice_rows(items));
        all_panels(a, d, rows.clone(), start, soon, gradient);
    }
}

/// Adds a block of the steps of the weight gradient, of which the first starts the sums.
fn all_panels(
    a: MatrixRef<'_>,
    d: MatrixRef<'_>,
    rows: Range<usize>,
    start: Start,
    soon: &[&[f32]],
    gradient: &mut [f32],
) {
    let (k, n, steps) = (a.cols(), d.cols(), pairs(a.rows()));
    // The columns of a whose gradients are asked for: all, unless they belong to one panel.
    let first = rows.start / k * k;
    let needed = if rows.end <= first + k { rows.start - first..rows.end - first } else { 0..k };
    let stride = row_of(needed.len());
    with_scratch(steps * (stride + PANEL), |scratch| {
        let (left, right) = scratch.split_at_mut(steps * stride);
        pair_all_rows(a.slice_cols(needed.clone()), left, stride, needed.len());
        by_panel(k, n, rows, soon, gradient, |PanelShare { panel, inner, soon, gradient }| {
            let width = panel_width(n, panel);
            pair_all_rows(d.slice_cols(panel_columns(n, panel)), right, width, width);
            let tile = Tile {
                a: left[inner.start - needed.start..].as_ptr(),
                a_row: 1,
                a_step: stride,
                b: right.as_ptr(),
                steps,
                c: gradient.as_mut_ptr(),
                c_row: width,
                columns: width,
                start,
            };
            let mut number = 0;
            let ahead = |at: usize, rows: usize| {
                number += 1;
                let share = soon.share(number - 1, at * width, rows * width, steps);
                share.map_or(Ahead::NOTHING, |(from, step)| Ahead { from, step })
            };
            // SAFETY: each column of a has its pairs in `left`, from the first one needed on, each step `width`
            // columns of d in `right`, and the panel's gradient, which is exclusive, has `width` floats for each
            // row; the machine has the instructions, or `pair_all_rows` had ended.
            unsafe { tiles(tile, inner.len(), width, ahead) };
        });
    });
}
