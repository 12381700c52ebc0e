//! Where pairs of 16-bit numbers lie.

use std::ops::Range;

use super::super::buffer::LINE;
use super::super::panels::{Panels, panel_len};

/// The least rows and columns of a matrix with which a product is worth the conversion of all three.
const LEAST: usize = 32;

/// Pairs that so many numbers take: the last one may have a zero as its second number.
pub(super) fn pairs(numbers: usize) -> usize {
    numbers.div_ceil(2)
}

/// Numbers from one row of pairs to the next: an odd number of cache lines, so that rows do not compete for places in
/// the cache.
pub(super) fn row_of(pairs: usize) -> usize {
    (pairs.div_ceil(LINE) | 1) * LINE
}

/// Whether products with a rows x cols matrix take less time in 16 bits, from as many rows on as batches have.
pub(crate) fn bf16_pays(rows: usize, cols: usize) -> bool {
    rows.min(cols) >= LEAST
}

/// Floats that hold a rows x cols matrix as panels of pairs of rows.
pub(crate) fn pair_panels_len(rows: usize, cols: usize) -> usize {
    panel_len(pairs(rows), cols)
}

/// A matrix stored as panels whose rows hold pairs of its rows, to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PairPanels<'a> {
    pairs: Panels<'a>,
    rows: usize,
}

impl<'a> PairPanels<'a> {
    /// The rows x cols matrix stored in `floats`.
    ///
    /// # Panics
    /// If `floats` has another length than [`pair_panels_len`].
    pub(crate) fn new(floats: &'a [f32], rows: usize, cols: usize) -> Self {
        Self { pairs: Panels::new(floats, pairs(rows), cols), rows }
    }

    /// Number of rows, in numbers.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns, without padding.
    pub(super) fn cols(&self) -> usize {
        self.pairs.cols()
    }

    /// The columns in `range`, which are whole panels.
    ///
    /// # Panics
    /// If the range does not begin at a panel, or ends within one.
    pub(crate) fn columns(&self, range: Range<usize>) -> Self {
        Self { pairs: self.pairs.columns(range), rows: self.rows }
    }

    /// The pairs of one panel.
    pub(super) fn panel(&self, panel: usize) -> &'a [f32] {
        self.pairs.panel(panel)
    }

    /// How many panels there are.
    pub(super) fn count(&self) -> usize {
        self.pairs.count()
    }
}
