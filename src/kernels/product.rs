//! The matrix product: the forward phase of dense layers.

use std::ops::Range;

use super::buffer::LINE;
use super::joined_rows::with_joined_rows;
use super::panels::{Panels, panel_columns, panel_width};
use super::tile::{Ahead, MAX_ROWS, Rows, Start, Tile, Tiles, Walk};
use super::{MatrixMut, MatrixRef};

/// Steps of a sum between two visits of the output: the rows and the panel read in these fit the
/// second-level cache.
pub(super) const STEPS: usize = 768;
/// Rows that are computed with a panel before the next panel.
pub(super) const ROWS: usize = 168;

/// Weights of at most so many floats stay in the second-level cache from one look to the next; panels of larger ones are
/// asked for while the panel before is read.
const SMALL: usize = 64 * 1024;

/// Floats from the first row to the last beyond which rows are copied to be read.
const FAR: usize = 128 * 1024;

/// `c = a b + bias`, overwriting `c`: a is m x k, b is k x n, the bias has n numbers, c is m x n.
///
/// # Panics
/// If the sizes do not fit.
pub(crate) fn product(a: MatrixRef<'_>, b: Panels<'_>, bias: Option<&[f32]>, c: MatrixMut<'_>) {
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
    let is_large = b.rows() * b.cols() > SMALL;
    for panel in 0..b.count() {
        let (columns, width) = (panel_columns(b.cols(), panel), panel_width(b.cols(), panel));
        let start = match bias {
            _ if steps.start > 0 => Start::Output,
            Some(bias) => Start::Bias(bias[columns.clone()].as_ptr()),
            None => Start::Zero,
        };
        let of = |panel: usize| {
            let width = panel_width(b.cols(), panel);
            &b.panel(panel)[steps.start * width..steps.end * width]
        };
        // While the first panel is read, the rows have to come as well.
        let asks = is_large && (1..b.count() - 1).contains(&panel);
        let next = if asks { of(panel + 1) } else { &[] };
        panel_product(a, [of(panel), next], width, start, c.reborrow().slice_cols(columns));
    }
}

/// Whether the rows lie so far apart, or are so many, that reading several of them side by side is
/// slow: they compete for the same places in the caches, and the processor does not foresee them.
pub(super) fn is_far(a: MatrixRef<'_>) -> bool {
    a.rows() * a.stride() > FAR
}

/// Runs `work` with a copy of `a`.
pub(super) fn with_near(a: MatrixRef<'_>, work: impl FnOnce(MatrixRef<'_>)) {
    with_joined_rows(std::iter::once(a), 0..a.cols(), |near| work(near.slice(0..a.cols())));
}

/// `0..len` in nearly equal blocks of at most `most`, at least one (which may be empty).
pub(super) fn blocks(len: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let count = len.div_ceil(most).max(1);
    (0..count).map(move |block| len * block / count..len * (block + 1) / count)
}

/// `c = start + a b` for one panel b of `width` columns, of which c has the first ones. The other panel is read next.
pub(super) fn panel_product(
    a: MatrixRef<'_>,
    [b, next]: [&[f32]; 2],
    width: usize,
    start: Start,
    mut c: MatrixMut<'_>,
) {
    assert!(b.len() == a.cols() * width && c.cols() <= width && a.rows() == c.rows());
    let (a_stride, c_stride, columns) = (a.stride(), c.stride(), c.cols());
    let c = c.as_mut_ptr();
    let tiles = Tiles::current();
    // Every tile asks for as much of the next panel, or for the rows of the next tile.
    let each = next.len() / tiles.count(a.rows()).max(1);
    let mut tile = Tile {
        a: a.as_ptr(),
        a_rows: Rows::Apart(a_stride),
        b: b.as_ptr(),
        walk: Walk::line(a.cols(), 1, width),
        c,
        c_rows: std::array::from_fn(|row| row * c_stride),
        columns,
        start,
        ahead: Ahead {
            from: next.as_ptr(),
            step: match next {
                // The rows of the next tile follow, unless there are gaps between them.
                [] if a_stride < a.cols() + 2 * LINE => LINE,
                [] => 0,
                _ => each.div_ceil(a.cols().max(1)).min(LINE),
            },
        },
    };
    tiles.heights(0..a.rows(), |rows| {
        tile.a = a.as_ptr().wrapping_add(rows.start * a_stride);
        if next.is_empty() {
            tile.ahead.from = a.as_ptr().wrapping_add(rows.end * a_stride);
        }
        tile.c = c.wrapping_add(rows.start * c_stride);
        // SAFETY: the rows lie within a and c, each step of b has `width` floats, and c is
        // exclusive.
        unsafe { tiles.run(&mut tile, rows.len(), width) };
        tile.ahead.from = tile.ahead.from.wrapping_add(each);
    });
}

const _: () = assert!(MAX_ROWS * 12 == ROWS, "blocks of rows are whole tiles");
