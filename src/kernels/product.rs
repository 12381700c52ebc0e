//! Matrix products: the forward phase, the input gradient and the weight gradient of dense layers.

use std::ops::Range;

use super::panels::{PANEL, Panels, panel_columns, panel_rows_floats, panel_width};
use super::tile::{MAX_ROWS, Start, Tile, Tiles, Walk};
use super::transpose::transpose;
use super::{MatrixMut, MatrixRef, add_slices, with_scratch};

/// Steps of a sum between two visits of the output: the rows and the panel read in these fit the
/// second-level cache.
const STEPS: usize = 768;
/// Rows that are computed with a panel before the next panel.
const ROWS: usize = 168;

/// `c = a b + bias`, overwriting `c`: a is m x k, b is k x n, the bias has n numbers, c is m x n.
///
/// # Panics
/// If the sizes do not fit.
pub fn product(a: MatrixRef<'_>, b: Panels<'_>, bias: Option<&[f32]>, c: MatrixMut<'_>) {
    assert_eq!(a.cols(), b.rows(), "columns of a, rows of b");
    assert_eq!(a.rows(), c.rows(), "rows of a, rows of c");
    assert_eq!(b.cols(), c.cols(), "columns of b, columns of c");
    if let Some(bias) = bias {
        assert_eq!(bias.len(), b.cols(), "bias, columns of b");
    }
    let panels = |rows: Range<usize>, mut c: MatrixMut<'_>| {
        let a = a.slice_rows(rows);
        for steps in blocks(a.cols(), STEPS) {
            for panel in 0..b.count() {
                let (columns, width) =
                    (panel_columns(b.cols(), panel), panel_width(b.cols(), panel));
                let start = match bias {
                    _ if steps.start > 0 => Start::Output,
                    Some(bias) => Start::Bias(bias[columns.clone()].as_ptr()),
                    None => Start::Zero,
                };
                let b = &b.panel(panel)[steps.start * width..steps.end * width];
                let c = c.reborrow().slice_cols(columns);
                panel_product(a.slice_cols(steps.clone()), b, width, start, c);
            }
        }
    };
    let mut c = c;
    for rows in blocks(a.rows(), ROWS) {
        panels(rows.clone(), c.reborrow().slice_rows(rows));
    }
}

/// `c = d bᵀ`, overwriting `c`: d is m x n, b is k x n, c is m x k.
///
/// # Panics
/// If the sizes do not fit.
pub fn product_transposed(d: MatrixRef<'_>, b: Panels<'_>, mut c: MatrixMut<'_>) {
    assert_eq!(d.cols(), b.cols(), "columns of d, columns of b");
    assert_eq!(d.rows(), c.rows(), "rows of d, rows of c");
    assert_eq!(b.rows(), c.cols(), "rows of b, columns of c");
    if b.cols() == 0 {
        super::fill(c, 0.0);
        return;
    }
    // Blocks of the transposed b are packed in scratch, one panel at a time.
    with_scratch(STEPS.min(b.cols().next_multiple_of(PANEL)) * PANEL, |packed| {
        for steps in blocks(b.cols(), STEPS) {
            let start = if steps.start > 0 { Start::Output } else { Start::Zero };
            for columns in blocks(b.rows(), PANEL) {
                let width = if columns.len() <= 16 { 16 } else { PANEL };
                pack_transposed(b, columns.clone(), steps.clone(), width, packed);
                let packed = &packed[..steps.len() * width];
                let c = c.reborrow().slice_cols(columns);
                panel_product(d.slice_cols(steps.clone()), packed, width, start, c);
            }
        }
    });
}

/// The given panel rows of `aᵀ d`, overwriting `gradient`, which holds just these: a is m x k, d is
/// m x n, the gradient is k x n, in the layout of panels. Padding becomes 0.
///
/// # Panics
/// If the sizes do not fit.
pub fn weight_gradient(
    a: MatrixRef<'_>,
    d: MatrixRef<'_>,
    rows: Range<usize>,
    gradient: &mut [f32],
) {
    assert_eq!(a.rows(), d.rows(), "rows of a, rows of d");
    let (k, n) = (a.cols(), d.cols());
    let floats = panel_rows_floats(k, n, rows.clone());
    assert_eq!(gradient.len(), floats.len(), "floats of the gradient");
    let mut done = rows.start;
    let mut rest = gradient;
    while done < rows.end {
        let panel = done / k;
        let inner = done - panel * k..k.min(rows.end - panel * k);
        let width = panel_width(n, panel);
        let (part, tail) = rest.split_at_mut(inner.len() * width);
        rest = tail;
        done += inner.len();
        let a = a.slice_cols(inner);
        let d = d.slice_cols(panel_columns(n, panel));
        if d.cols() == width {
            panel_gradient(a, d, part, width);
        } else {
            with_scratch(d.rows() * width, |padded| {
                pad_rows(d, width, padded);
                panel_gradient(a, MatrixRef::dense(padded, d.rows(), width), part, width);
            });
        }
    }
}

/// The sum of each column of `d`, overwriting `sums`.
///
/// # Panics
/// If there are not as many sums as columns.
pub fn column_sums(d: MatrixRef<'_>, sums: &mut [f32]) {
    assert_eq!(d.cols(), sums.len(), "columns of d, sums");
    sums.fill(0.0);
    for row in 0..d.rows() {
        add_slices(sums, d.row(row));
    }
}

/// `0..len` in nearly equal blocks of at most `most`, at least one (which may be empty).
fn blocks(len: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let count = len.div_ceil(most).max(1);
    (0..count).map(move |block| len * block / count..len * (block + 1) / count)
}

/// `c = start + a b` for one panel b of `width` columns, of which c has the first ones.
fn panel_product(a: MatrixRef<'_>, b: &[f32], width: usize, start: Start, mut c: MatrixMut<'_>) {
    assert!(b.len() == a.cols() * width && c.cols() <= width && a.rows() == c.rows());
    let (a_stride, c_stride, columns) = (a.stride(), c.stride(), c.cols());
    let c = c.as_mut_ptr();
    let tiles = Tiles::current();
    tiles.heights(0..a.rows(), |rows| {
        let tile = Tile {
            a: a.as_ptr().wrapping_add(rows.start * a_stride),
            a_rows: std::array::from_fn(|row| row * a_stride),
            b: b.as_ptr(),
            walk: Walk::line(a.cols(), 1, width),
            c: c.wrapping_add(rows.start * c_stride),
            c_rows: std::array::from_fn(|row| row * c_stride),
            columns,
            start,
        };
        // SAFETY: the rows lie within a and c, each step of b has `width` floats, and c is
        // exclusive.
        unsafe { tiles.run(&tile, rows.len(), width) };
    });
}

/// `gradient = aᵀ d` for a d of `width` columns.
fn panel_gradient(a: MatrixRef<'_>, d: MatrixRef<'_>, gradient: &mut [f32], width: usize) {
    assert!(gradient.len() == a.cols() * width && d.cols() == width && a.rows() == d.rows());
    let tiles = Tiles::current();
    let to = gradient.as_mut_ptr();
    tiles.heights(0..a.cols(), |rows| {
        let tile = Tile {
            a: a.as_ptr().wrapping_add(rows.start),
            a_rows: std::array::from_fn(|row| row),
            b: d.as_ptr(),
            walk: Walk::line(a.rows(), a.stride(), d.stride()),
            c: to.wrapping_add(rows.start * width),
            c_rows: std::array::from_fn(|row| row * width),
            columns: width,
            start: Start::Zero,
        };
        // SAFETY: the rows are columns of a, all rows of d have `width` floats, and the gradient is
        // exclusive and holds `width` floats for each row.
        unsafe { tiles.run(&tile, rows.len(), width) };
    });
}

/// Copies `d`, with zeros after each row up to `width` floats.
fn pad_rows(d: MatrixRef<'_>, width: usize, padded: &mut [f32]) {
    for (row, to) in padded.chunks_exact_mut(width).enumerate() {
        let (filled, padding) = to.split_at_mut(d.cols());
        filled.copy_from_slice(d.row(row));
        padding.fill(0.0);
    }
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

const _: () = assert!(MAX_ROWS * 12 == ROWS, "blocks of rows are whole tiles");
