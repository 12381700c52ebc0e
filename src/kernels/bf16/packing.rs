//! Numbers of 32 bits become pairs of 16-bit numbers.

use super::super::MatrixRef;
use super::super::panels::{PANEL, Panels, panel_columns, panel_len, panel_width};
use super::super::transpose::transpose;
use super::detect::assert_instructions;
use super::pairs::{pair_panels_len, pairs};
use super::tile_x86::{pair_columns, pair_rows};

/// Writes a matrix as panels of pairs of its rows: what a product with it reads.
///
/// # Panics
/// If `to` has another length than [`pair_panels_len`], or the machine lacks the instructions.
pub(crate) fn bf16_panels(from: Panels<'_>, to: &mut [f32]) {
    let (rows, cols) = (from.rows(), from.cols());
    assert_eq!(to.len(), pair_panels_len(rows, cols), "pairs of rows of {rows} x {cols}");
    assert_instructions();
    for panel in 0..from.count() {
        let width = panel_width(cols, panel);
        let to = &mut to[panel_len(pairs(rows), panel * PANEL)..][..pairs(rows) * width];
        let panel = from.panel(panel);
        for (two, to) in panel.chunks(2 * width).zip(to.chunks_exact_mut(width)) {
            let (first, second) = two.split_at(width);
            // SAFETY: the machine has the instructions, and the lengths fit: both rows have `width` numbers, or there
            // is no second one.
            unsafe { pair_rows(first, second, to) };
        }
    }
}

/// Writes the transposed of a matrix as panels of pairs of the transposed's rows: what a product with the transposed
/// reads.
///
/// # Panics
/// If `to` has another length than [`pair_panels_len`] of the transposed, or the machine lacks the instructions.
pub(crate) fn bf16_panels_transposed(from: Panels<'_>, to: &mut [f32]) {
    let (rows, cols) = (from.rows(), from.cols());
    assert_eq!(to.len(), pair_panels_len(cols, rows), "pairs of columns of {rows} x {cols}");
    assert_instructions();
    let mut scratch = [0.0f32; PANEL * PANEL / 2];
    for panel in 0..rows.div_ceil(PANEL) {
        let (columns, width) = (panel_columns(rows, panel), panel_width(rows, panel));
        let to = &mut to[panel_len(pairs(cols), panel * PANEL)..][..pairs(cols) * width];
        if columns.len() < width {
            to.fill(0.0);
        }
        for from_panel in 0..from.count() {
            let (from_columns, from_width) =
                (panel_columns(cols, from_panel), panel_width(cols, from_panel));
            let from = &from.panel(from_panel)[columns.start * from_width..];
            let stride = from_width / 2;
            let rows = from.chunks_exact(from_width).zip(scratch.chunks_exact_mut(stride));
            for (row, pairs) in rows.take(columns.len()) {
                // SAFETY: the machine has the instructions, and a row has twice as many numbers as pairs.
                unsafe { pair_columns(row, pairs) };
            }
            let steps = pairs(from_columns.len());
            let to = &mut to[from_columns.start / 2 * width..][..steps * width];
            // SAFETY: scratch has a row of `stride` pairs, `steps` at least, for each column of `to`, whose rows have
            // `width` of them.
            unsafe {
                transpose(scratch.as_ptr(), stride, columns.len(), steps, to.as_mut_ptr(), width);
            }
        }
    }
}

/// Writes each row of a matrix as pairs of neighbours, rows of pairs `stride` apart.
///
/// # Panics
/// If `to` is too short.
pub(super) fn pair_each_row(from: MatrixRef<'_>, to: &mut [f32], stride: usize) {
    assert_instructions();
    let pairs = pairs(from.cols());
    for row in 0..from.rows() {
        let to = &mut to[row * stride..][..pairs];
        // SAFETY: the machine has the instructions; the row has as many numbers as `to` pairs has, or one less.
        unsafe { pair_columns(from.row(row), to) };
    }
}

/// Writes pairs of the rows of a matrix, rows of pairs `stride` apart, of which `width` are written: those beyond the
/// columns are zero.
///
/// # Panics
/// If `to` is too short, or the matrix has more columns than `width`.
pub(super) fn pair_all_rows(from: MatrixRef<'_>, to: &mut [f32], stride: usize, width: usize) {
    assert!(from.cols() <= width, "{} columns of {width}", from.cols());
    assert_instructions();
    for step in 0..pairs(from.rows()) {
        let second = if 2 * step + 1 < from.rows() { from.row(2 * step + 1) } else { &[] };
        let to = &mut to[step * stride..][..width];
        // SAFETY: the machine has the instructions; the rows have as many numbers as the matrix columns, or there is no
        // second one.
        unsafe { pair_rows(from.row(2 * step), second, to) };
    }
}
