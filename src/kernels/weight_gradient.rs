//! The weight gradient of dense layers.

use std::ops::Range;

use super::buffer::LINE;
use super::joined_rows::{Columns, runs_of, with_joined_rows};
use super::padding::pad_rows;
use super::panels::{PANEL, panel_columns, panel_rows_floats, panel_width};
use super::product::blocks;
use super::tile::{Ahead, Rows, Start, Tile, Tiles, Walk};
use super::{MatrixRef, with_scratch};

/// Rows of both operands of a weight gradient that are worked on together, which fit the second-level cache: their
/// products are added one after another, and then to the sums of the rows before.
pub(super) const STEPS: usize = 512;

/// Rows of a weight gradient from which on it pays to copy what they all read.
const ROWS_TO_COPY: usize = 56;

/// The given panel rows of `aᵀ d`, overwriting `gradient`, which holds just these: a is m x k, d is m x n, the gradient
/// is k x n, in the layout of panels. Padding becomes 0. Of several pairs, `aᵀ d` is that of all their rows, one pair
/// below the other: m may differ from pair to pair.
///
/// Whoever moves the weights next reads arrays that lie as the gradient does, `soon`; they are asked for
/// while the gradient is computed, which waits for no memory itself.
///
/// # Panics
/// If there is no pair, or the sizes do not fit.
pub(crate) fn weight_gradient<'a>(
    pairs: usize,
    pair: impl Fn(usize) -> [MatrixRef<'a>; 2] + Copy,
    rows: Range<usize>,
    soon: &[&[f32]],
    gradient: &mut [f32],
) {
    assert!(pairs > 0, "no rows to multiply");
    let mut start = Start::Zero;
    for run in runs_of(pairs, STEPS, |number| pair(number)[0].rows()) {
        let soon = if run.end == pairs { soon } else { &[] };
        for [a, d] in run.clone().map(pair) {
            check_sizes(a, d, rows.clone(), soon, gradient);
        }
        if run.len() == 1 {
            let [a, d] = pair(run.start);
            for steps in blocks(a.rows(), STEPS) {
                let soon = if steps.end == a.rows() { soon } else { &[] };
                let [a, d] = [a, d].map(|it| Columns::all(it.slice_rows(steps.clone())));
                all_gradient_panels(a, d, rows.clone(), start, soon, gradient);
                start = Start::Onto;
            }
        } else {
            // Sums that stay in registers from pair to pair are worth a copy of what they read.
            let [k, n] = pair(run.start).map(|it| it.cols());
            let [a_cols, d_cols] = columns_read(k, n, rows.clone());
            let all = |operand: usize| run.clone().map(move |number| pair(number)[operand]);
            with_joined_rows(all(0), a_cols, |a| {
                with_joined_rows(all(1), d_cols, |d| {
                    all_gradient_panels(a, d, rows.clone(), start, soon, gradient);
                });
            });
            start = Start::Onto;
        }
    }
}

/// The columns of a and d that some rows of a k x n gradient follow from.
fn columns_read(k: usize, n: usize, rows: Range<usize>) -> [Range<usize>; 2] {
    if rows.is_empty() {
        return [0..0, 0..0];
    }
    let (first, last) = (rows.start / k, (rows.end - 1) / k);
    let a = if first == last { rows.start - first * k..rows.end - first * k } else { 0..k };
    [a, panel_columns(n, first).start..panel_columns(n, last).end]
}

/// Stops what does not fit together.
pub(super) fn check_sizes(
    a: MatrixRef<'_>,
    d: MatrixRef<'_>,
    rows: Range<usize>,
    soon: &[&[f32]],
    gradient: &[f32],
) {
    assert!(soon.iter().all(|it| it.len() == gradient.len()), "floats that are read soon");
    assert_eq!(a.rows(), d.rows(), "rows of a, rows of d");
    let floats = panel_rows_floats(a.cols(), d.cols(), rows);
    assert_eq!(gradient.len(), floats.len(), "floats of the gradient");
}

/// The share of some rows of a weight gradient that one panel has.
pub(super) struct PanelShare<'a> {
    /// The panel's number.
    pub(super) panel: usize,
    /// The columns of a whose gradients these are.
    pub(super) inner: Range<usize>,
    pub(super) soon: Soon<'a>,
    pub(super) gradient: &'a mut [f32],
}

/// Gives `rows` of the `k` x `n` gradient panel by panel.
pub(super) fn by_panel<'a>(
    k: usize,
    n: usize,
    rows: Range<usize>,
    soon: &'a [&'a [f32]],
    gradient: &mut [f32],
    mut each: impl FnMut(PanelShare<'_>),
) {
    let floats = gradient.len();
    let (mut done, mut rest) = (rows.start, gradient);
    while done < rows.end {
        let panel = done / k;
        let inner = done - panel * k..k.min(rows.end - panel * k);
        let soon = Soon { arrays: soon, first: floats - rest.len() };
        let (gradient, tail) = rest.split_at_mut(inner.len() * panel_width(n, panel));
        (rest, done) = (tail, done + inner.len());
        each(PanelShare { panel, inner, soon, gradient });
    }
}

/// Adds a block of the steps of the weight gradient, of which the first starts the sums.
fn all_gradient_panels(
    a: Columns<'_>,
    d: Columns<'_>,
    rows: Range<usize>,
    start: Start,
    soon: &[&[f32]],
    gradient: &mut [f32],
) {
    let n = d.count;
    by_panel(a.count, n, rows, soon, gradient, |PanelShare { panel, inner, soon, gradient }| {
        let (d, width) = (d.slice(panel_columns(n, panel)), panel_width(n, panel));
        // Distant rows compete for places in the cache, so copies pay if they are read often.
        let near = d.stride() <= 4 * PANEL || inner.len() < ROWS_TO_COPY;
        let a = a.slice(inner);
        if d.cols() == width && near {
            panel_gradient(a, d, start, soon, gradient, width);
        } else {
            with_scratch(d.rows() * width, |padded| {
                panel_gradient(a, pad_rows(d, width, padded), start, soon, gradient, width);
            });
        }
    });
}

/// Arrays that are asked for, from float `first` on, as far as a panel's gradient goes.
#[derive(Clone, Copy)]
pub(super) struct Soon<'a> {
    pub(super) arrays: &'a [&'a [f32]],
    pub(super) first: usize,
}

impl Soon<'_> {
    /// The share that tile number `tile` of a panel asks for, which is one of the arrays over as many tiles as there are
    /// arrays: where it begins, and the floats from one of the tile's steps to the next, a cache line at most. Tiles have
    /// `floats` floats, and the first of them lies at `at` in the panel.
    pub(super) fn share(
        self,
        tile: usize,
        at: usize,
        floats: usize,
        steps: usize,
    ) -> Option<(*const f32, usize)> {
        let turn = tile.checked_rem(self.arrays.len())?;
        let first = self.first + at.saturating_sub(turn * floats);
        let each = (self.arrays.len() * floats).div_ceil(steps.max(1));
        Some((self.arrays[turn].as_ptr().wrapping_add(first), each.min(LINE)))
    }
}

/// `gradient = start + aᵀ d` for a d of `width` columns.
fn panel_gradient(
    a: MatrixRef<'_>,
    d: MatrixRef<'_>,
    start: Start,
    soon: Soon<'_>,
    gradient: &mut [f32],
    width: usize,
) {
    assert!(gradient.len() == a.cols() * width && d.cols() == width && a.rows() == d.rows());
    let tiles = Tiles::current();
    let to = gradient.as_mut_ptr();
    let mut tile = Tile {
        a: a.as_ptr(),
        a_rows: Rows::Adjacent,
        b: d.as_ptr(),
        walk: Walk::line(a.rows(), a.stride(), d.stride()),
        c: to,
        c_rows: std::array::from_fn(|row| row * width),
        columns: width,
        start,
        ahead: Ahead { from: a.as_ptr(), step: 0 },
    };
    let mut number = 0;
    tiles.heights(0..a.cols(), |rows| {
        let (at, floats) = (rows.start * width, rows.len() * width);
        if let Some(share) = soon.share(number, at, floats, a.rows()) {
            (tile.ahead.from, tile.ahead.step) = share;
        }
        number += 1;
        tile.a = a.as_ptr().wrapping_add(rows.start);
        tile.c = to.wrapping_add(rows.start * width);
        // SAFETY: the rows are columns of a, all rows of d have `width` floats, and the gradient is
        // exclusive and holds `width` floats for each row.
        unsafe { tiles.run(&mut tile, rows.len(), width) };
    });
}
