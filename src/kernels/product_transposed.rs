//! The product with a transposed matrix: the input gradient of dense layers.

use std::ops::Range;

use super::buffer::LINE;
use super::panels::{PANEL, Panels, panel_columns, panel_len, panel_width};
use super::product::{ROWS, STEPS, blocks, is_far, panel_product, with_near};
use super::tile::{Ahead, Rows, Start, Tile, Tiles, Walk};
use super::transpose::transpose;
use super::{MatrixMut, MatrixRef, product, with_scratch};

/// Rows of b whose products are computed before they are transposed.
const TURNED_ROWS: usize = 112;

const _: () = assert!(STEPS.is_multiple_of(PANEL), "blocks of steps are whole panels");

/// Weights of more floats come from memory, or from a cache far away.
const FAR_WEIGHTS: usize = 1 << 20;

/// `c = d bᵀ`, overwriting `c`: d is m x n, b is k x n, c is m x k.
///
/// # Panics
/// If the sizes do not fit.
pub(crate) fn product_transposed(d: MatrixRef<'_>, b: Panels<'_>, mut c: MatrixMut<'_>) {
    assert_eq!(d.cols(), b.cols(), "columns of d, columns of b");
    assert_eq!(d.rows(), c.rows(), "rows of d, rows of c");
    assert_eq!(b.rows(), c.cols(), "rows of b, columns of c");
    if b.cols() == 0 {
        super::fill(c, 0.0);
        return;
    }
    if transposes_d(d.rows(), b.rows(), b.cols()) {
        for rows in blocks_of(d.rows(), PANEL) {
            turned_product(d.slice_rows(rows.clone()), b, c.reborrow().slice_rows(rows));
        }
        return;
    }
    if d.rows() > 2 * ROWS {
        let (rows, cols) = (b.cols(), b.rows());
        return with_scratch(panel_len(rows, cols), |packed| {
            pack_all_transposed(b, packed);
            product(d, Panels::new(packed, rows, cols), None, c);
        });
    }
    for steps in blocks(b.cols(), STEPS) {
        let d = d.slice_cols(steps.clone());
        let c = c.reborrow();
        if is_far(d) && b.rows() > PANEL {
            with_near(d, |d| all_transposed_panels(d, b, steps, c));
        } else {
            all_transposed_panels(d, b, steps, c);
        }
    }
}

/// Whether [`product_transposed`] packs the transposed of a k x n matrix for a product with so many rows. [`product()`] with
/// what [`pack_all_transposed`] has packed once then takes less time, and gives the same bits.
pub(crate) fn packs_transposed(rows: usize, k: usize, n: usize) -> bool {
    !transposes_d(rows, k, n)
}

/// Writes the transposed of `b` as panels.
///
/// # Panics
/// If `packed` does not hold just these.
pub(crate) fn pack_all_transposed(b: Panels<'_>, packed: &mut [f32]) {
    let (rows, cols) = (b.cols(), b.rows());
    assert_eq!(packed.len(), panel_len(rows, cols), "floats of the transposed");
    for panel in 0..cols.div_ceil(PANEL) {
        let (columns, width) = (panel_columns(cols, panel), panel_width(cols, panel));
        pack_transposed(b, columns.clone(), 0..rows, width, &mut packed[columns.start * rows..]);
    }
}

/// Adds a block of the steps of the product with the transposed, of which the first starts the sums.
/// The transposed b is packed in scratch, one panel at a time.
fn all_transposed_panels(
    d: MatrixRef<'_>,
    b: Panels<'_>,
    steps: Range<usize>,
    mut c: MatrixMut<'_>,
) {
    let start = if steps.start > 0 { Start::Output } else { Start::Zero };
    with_scratch(steps.len() * PANEL, |packed| {
        for columns in blocks_of(b.rows(), PANEL) {
            let width = if columns.len() <= 16 { 16 } else { PANEL };
            pack_transposed(b, columns.clone(), steps.clone(), width, packed);
            let packed = &packed[..steps.len() * width];
            panel_product(d, [packed, &[]], width, start, c.reborrow().slice_cols(columns));
        }
    });
}

/// Whether transposing d and c, of `rows` rows, is less work than transposing b, which is k x n. Both ways give the
/// same bits: the sums have the same products in the same order.
fn transposes_d(rows: usize, k: usize, n: usize) -> bool {
    // Each row of padding costs as much as transposing a small share of b, smaller yet where b comes from memory.
    let share = if n * k > FAR_WEIGHTS { 24 } else { 6 };
    let padding = rows.next_multiple_of(16) - rows;
    rows * (n + k) + padding * n * k / share < n * k
}

/// `c = d bᵀ` for at most [`PANEL`] rows, as the transposed of `b dᵀ`.
fn turned_product(d: MatrixRef<'_>, b: Panels<'_>, mut c: MatrixMut<'_>) {
    let (k, n, m) = (b.rows(), b.cols(), d.rows());
    let width = if m <= 16 { 16 } else { PANEL };
    let (stride, c) = (c.stride(), c.as_mut_ptr());
    // Sums over many steps come in blocks, so that what all rows of b read stays in the second-level cache.
    let steps_at_once = n.min(STEPS);
    let rows_at_once = if n > STEPS { k } else { TURNED_ROWS };
    with_scratch((steps_at_once + rows_at_once) * width, |scratch| {
        let (turned_d, turned_c) = scratch.split_at_mut(steps_at_once * width);
        if m < width {
            turned_d.fill(0.0);
        }
        for steps in blocks_of(n, STEPS) {
            let d = d.slice_cols(steps.clone());
            // SAFETY: d has m rows of these steps, its transposed as many rows of `width`.
            unsafe {
                transpose(d.as_ptr(), d.stride(), m, d.cols(), turned_d.as_mut_ptr(), width);
            }
            let panels = steps.start / PANEL..steps.end.div_ceil(PANEL);
            for rows in blocks_of(k, rows_at_once) {
                rows_times_panels(b, panels.clone(), rows.clone(), turned_d, width, turned_c);
                if steps.end < n {
                    continue;
                }
                // SAFETY: the transposed c has these rows of at least m columns, c has m rows and
                // these columns.
                unsafe {
                    let to = c.add(rows.start);
                    transpose(turned_c.as_ptr(), width, rows.len(), m, to, stride);
                }
            }
        }
    });
}

/// Adds some panels of the given rows of `b` times `d`, which has one row of `width` columns for each column of these
/// panels; the first panel starts the sums.
fn rows_times_panels(
    b: Panels<'_>,
    panels: Range<usize>,
    rows: Range<usize>,
    d: &[f32],
    width: usize,
    c: &mut [f32],
) {
    let first = panels.start;
    let steps = panel_columns(b.cols(), first).start..panel_columns(b.cols(), panels.end - 1).end;
    assert!(d.len() >= steps.len() * width && c.len() >= rows.len() * width);
    assert!(rows.end <= b.rows() && panels.end <= b.count());
    let tiles = Tiles::current();
    // First all panels of b that are equally wide, then the last one, if it is narrower.
    let whole = panels.end.min(b.cols() / PANEL);
    let c = c.as_mut_ptr();
    for (panel, panels) in [(first, whole - first), (whole, panels.end - whole)] {
        if panels == 0 {
            continue;
        }
        let b_width = panel_width(b.cols(), panel);
        let start = if panel > 0 { Start::Output } else { Start::Zero };
        let len = panel_columns(b.cols(), panel).len();
        let a = b.panel(panel)[rows.start * b_width..].as_ptr();
        let mut tile = Tile {
            a,
            a_rows: Rows::Apart(b_width),
            b: d[(panel - first) * PANEL * width..].as_ptr(),
            walk: Walk {
                outer: 1,
                segments: panels,
                a_segment: PANEL * b.rows(),
                b_segment: PANEL * width,
                ahead_segment: PANEL * b.rows(),
                len,
                a_step: 1,
                b_step: width,
                ..Walk::default()
            },
            c,
            c_rows: std::array::from_fn(|row| row * width),
            columns: width,
            start,
            // The rows in the next panel, which lies far behind this one.
            ahead: Ahead { from: a, step: LINE },
        };
        tiles.heights(0..rows.len(), |part| {
            tile.a = a.wrapping_add(part.start * b_width);
            tile.ahead.from = tile.a.wrapping_add(PANEL * b.rows());
            tile.c = c.wrapping_add(part.start * width);
            // SAFETY: the rows lie within each of the panels, d has a row for each of their
            // columns, and c has a row for each row, as asserted.
            unsafe { tiles.run(&mut tile, part.len(), width) };
        });
    }
}

/// `0..len` in blocks of `size`, the last of which may be smaller.
fn blocks_of(len: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len).step_by(size).map(move |start| start..len.min(start + size))
}

/// Writes rows `columns` and columns `steps` of `b`, transposed, as rows of `width` floats. Padding
/// becomes 0.
fn pack_transposed(
    b: Panels<'_>,
    columns: Range<usize>,
    steps: Range<usize>,
    width: usize,
    packed: &mut [f32],
) {
    assert!(columns.len() <= width && packed.len() >= steps.len() * width);
    assert!(columns.end <= b.rows() && steps.end <= b.cols());
    if columns.len() < width {
        packed[..steps.len() * width].fill(0.0);
    }
    let mut step = steps.start;
    while step < steps.end {
        let panel = step / PANEL;
        let panel_end = steps.end.min((panel + 1) * PANEL);
        let from_width = panel_width(b.cols(), panel);
        let from = &b.panel(panel)[columns.start * from_width + step - panel * PANEL..];
        let to = &mut packed[(step - steps.start) * width..];
        // SAFETY: the rows of the panel and the packed rows are within the two slices, as asserted.
        unsafe {
            let (rows, cols) = (columns.len(), panel_end - step);
            transpose(from.as_ptr(), from_width, rows, cols, to.as_mut_ptr(), width);
        }
        step = panel_end;
    }
}
