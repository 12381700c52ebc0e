//! Matrix products: the forward phase, the input gradient and the weight gradient of dense layers.

use std::ops::Range;

use super::buffer::LINE;
use super::panels::{PANEL, Panels, panel_columns, panel_rows_floats, panel_width};
use super::tile::{MAX_ROWS, Start, Tile, Tiles, Walk};
use super::transpose::transpose;
use super::{MatrixMut, MatrixRef, add_slices, copy, with_scratch};

/// Steps of a sum between two visits of the output: the rows and the panel read in these fit the
/// second-level cache.
const STEPS: usize = 768;
/// Rows that are computed with a panel before the next panel.
const ROWS: usize = 168;

/// Floats of the rows of both operands of a weight gradient that are worked on together, and the
/// least number of such rows.
const STEP_FLOATS: usize = 128 * 1024;
const LEAST_STEPS: usize = 512;

/// Rows of a weight gradient from which on it pays to copy what they all read.
const ROWS_TO_COPY: usize = 56;

/// Floats from the first row to the last beyond which rows are copied to be read.
const FAR: usize = 128 * 1024;

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
    let mut c = c;
    for rows in blocks(a.rows(), ROWS) {
        for steps in blocks(a.cols(), STEPS) {
            let a = a.slice_rows(rows.clone()).slice_cols(steps.clone());
            let c = c.reborrow().slice_rows(rows.clone());
            if is_far(a) && b.count() > 1 {
                with_near(a, |a| all_panels(a, b, steps, bias, c));
            } else {
                all_panels(a, b, steps, bias, c);
            }
        }
    }
}

/// Adds a block of the steps of the product, of which the first starts the sums.
fn all_panels(
    a: MatrixRef<'_>,
    b: Panels<'_>,
    steps: Range<usize>,
    bias: Option<&[f32]>,
    mut c: MatrixMut<'_>,
) {
    for panel in 0..b.count() {
        let (columns, width) = (panel_columns(b.cols(), panel), panel_width(b.cols(), panel));
        let start = match bias {
            _ if steps.start > 0 => Start::Output,
            Some(bias) => Start::Bias(bias[columns.clone()].as_ptr()),
            None => Start::Zero,
        };
        let b = &b.panel(panel)[steps.start * width..steps.end * width];
        panel_product(a, b, width, start, c.reborrow().slice_cols(columns));
    }
}

/// Whether the rows lie so far apart, or are so many, that reading several of them side by side is
/// slow: they compete for the same places in the caches, and the processor does not foresee them.
fn is_far(a: MatrixRef<'_>) -> bool {
    a.rows() * a.stride() > FAR
}

/// Runs `work` with a copy of `a`.
fn with_near(a: MatrixRef<'_>, work: impl FnOnce(MatrixRef<'_>)) {
    // An odd number of cache lines, so that the rows do not compete for places in the cache.
    let stride = a.cols().div_ceil(LINE) | 1;
    let stride = stride * LINE;
    with_scratch(a.rows() * stride, |near| {
        copy(a, MatrixMut::new(near, a.rows(), a.cols(), stride));
        work(MatrixRef::new(near, a.rows(), a.cols(), stride));
    });
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
    for rows in blocks(d.rows(), ROWS) {
        for steps in blocks(b.cols(), STEPS) {
            let d = d.slice_rows(rows.clone()).slice_cols(steps.clone());
            let c = c.reborrow().slice_rows(rows.clone());
            if is_far(d) && b.rows() > PANEL {
                with_near(d, |d| all_transposed_panels(d, b, steps, c));
            } else {
                all_transposed_panels(d, b, steps, c);
            }
        }
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
            panel_product(d, packed, width, start, c.reborrow().slice_cols(columns));
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
    // Rows of a and d that are worked on together fit the second-level cache.
    let steps = (STEP_FLOATS / (k + n).max(1)).max(LEAST_STEPS);
    for steps in blocks(a.rows(), steps) {
        let start = if steps.start > 0 { Start::Output } else { Start::Zero };
        let (a, d) = (a.slice_rows(steps.clone()), d.slice_rows(steps));
        all_gradient_panels(a, d, rows.clone(), start, gradient);
    }
}

/// Adds a block of the steps of the weight gradient, of which the first starts the sums.
fn all_gradient_panels(
    a: MatrixRef<'_>,
    d: MatrixRef<'_>,
    rows: Range<usize>,
    start: Start,
    gradient: &mut [f32],
) {
    let (k, n) = (a.cols(), d.cols());
    let mut done = rows.start;
    let mut rest = gradient;
    while done < rows.end {
        let panel = done / k;
        let inner = done - panel * k..k.min(rows.end - panel * k);
        let width = panel_width(n, panel);
        let (part, tail) = rest.split_at_mut(inner.len() * width);
        rest = tail;
        done += inner.len();
        let d = d.slice_cols(panel_columns(n, panel));
        // Distant rows compete for places in the cache, so copies pay if they are read often.
        let near = d.stride() <= 4 * PANEL || inner.len() < ROWS_TO_COPY;
        let a = a.slice_cols(inner);
        if d.cols() == width && near {
            panel_gradient(a, d, start, part, width);
        } else {
            with_scratch(d.rows() * width, |padded| {
                pad_rows(d, width, padded);
                let d = MatrixRef::dense(padded, d.rows(), width);
                panel_gradient(a, d, start, part, width);
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

/// `0..len` in blocks of `size`, the last of which may be smaller.
fn blocks_of(len: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len).step_by(size).map(move |start| start..len.min(start + size))
}

/// `c = start + a b` for one panel b of `width` columns, of which c has the first ones.
fn panel_product(a: MatrixRef<'_>, b: &[f32], width: usize, start: Start, mut c: MatrixMut<'_>) {
    assert!(b.len() == a.cols() * width && c.cols() <= width && a.rows() == c.rows());
    let (a_stride, c_stride, columns) = (a.stride(), c.stride(), c.cols());
    let c = c.as_mut_ptr();
    let tiles = Tiles::current();
    let mut tile = Tile {
        a: a.as_ptr(),
        a_rows: std::array::from_fn(|row| row * a_stride),
        b: b.as_ptr(),
        walk: Walk::line(a.cols(), 1, width),
        c,
        c_rows: std::array::from_fn(|row| row * c_stride),
        columns,
        start,
    };
    tiles.heights(0..a.rows(), |rows| {
        tile.a = a.as_ptr().wrapping_add(rows.start * a_stride);
        tile.c = c.wrapping_add(rows.start * c_stride);
        // SAFETY: the rows lie within a and c, each step of b has `width` floats, and c is
        // exclusive.
        unsafe { tiles.run(&mut tile, rows.len(), width) };
    });
}

/// `gradient = start + aᵀ d` for a d of `width` columns.
fn panel_gradient(
    a: MatrixRef<'_>,
    d: MatrixRef<'_>,
    start: Start,
    gradient: &mut [f32],
    width: usize,
) {
    assert!(gradient.len() == a.cols() * width && d.cols() == width && a.rows() == d.rows());
    let tiles = Tiles::current();
    let to = gradient.as_mut_ptr();
    let mut tile = Tile {
        a: a.as_ptr(),
        a_rows: std::array::from_fn(|row| row),
        b: d.as_ptr(),
        walk: Walk::line(a.rows(), a.stride(), d.stride()),
        c: to,
        c_rows: std::array::from_fn(|row| row * width),
        columns: width,
        start,
    };
    tiles.heights(0..a.cols(), |rows| {
        tile.a = a.as_ptr().wrapping_add(rows.start);
        tile.c = to.wrapping_add(rows.start * width);
        // SAFETY: the rows are columns of a, all rows of d have `width` floats, and the gradient is
        // exclusive and holds `width` floats for each row.
        unsafe { tiles.run(&mut tile, rows.len(), width) };
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
