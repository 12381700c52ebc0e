//! The layout in which weights live in memory.
//!
//! A rows x cols matrix (rows: the inputs a sum runs over, cols: the outputs) is cut into panels of
//! [`PANEL`] columns. A panel is stored row after row; the last one is narrower when that suffices,
//! 16 columns, and is padded with zeros.

use std::ops::Range;

use super::{MatrixMut, MatrixRef};

/// Columns of a panel.
pub(crate) const PANEL: usize = 32;

/// Columns of a narrow last panel.
const NARROW: usize = 16;

/// Columns that panel `panel` of a matrix of `cols` columns takes in memory.
pub(super) fn panel_width(cols: usize, panel: usize) -> usize {
    if cols - panel * PANEL <= NARROW { NARROW } else { PANEL }
}

/// Columns of panel `panel` that are not padding.
pub(super) fn panel_columns(cols: usize, panel: usize) -> Range<usize> {
    panel * PANEL..cols.min((panel + 1) * PANEL)
}

/// Floats that a rows x cols matrix takes as panels.
pub(crate) fn panel_len(rows: usize, cols: usize) -> usize {
    rows * cols.next_multiple_of(NARROW)
}

/// The floats of group number `group`, where several rows x cols matrices as panels lie one after the
/// other.
///
/// # Panics
/// If there is no such group.
pub(crate) fn panels_of_group(floats: &[f32], rows: usize, cols: usize, group: usize) -> &[f32] {
    let len = panel_len(rows, cols);
    &floats[group * len..][..len]
}

/// Panels x rows: the unit along which weight gradients are split. The panel rows of a matrix are
/// numbered as they lie in memory, and consecutive ones touch.
pub(crate) fn panel_rows(rows: usize, cols: usize) -> usize {
    rows * cols.div_ceil(PANEL)
}

/// Where the given panel rows lie among the floats of a rows x cols matrix as panels.
///
/// # Panics
/// If there are no such panel rows.
pub(crate) fn panel_rows_floats(
    rows: usize,
    cols: usize,
    panel_rows: Range<usize>,
) -> Range<usize> {
    let all = self::panel_rows(rows, cols);
    assert!(
        panel_rows.start <= panel_rows.end && panel_rows.end <= all,
        "panel rows {panel_rows:?} of {all}"
    );
    let start = |row: usize| {
        if row == all {
            return panel_len(rows, cols);
        }
        let panel = row / rows;
        panel * PANEL * rows + (row - panel * rows) * panel_width(cols, panel)
    };
    start(panel_rows.start)..start(panel_rows.end)
}

/// Writes a row-major rows x cols matrix as panels.
///
/// # Panics
/// If the lengths do not fit the matrix.
pub(crate) fn to_panels(plain: &[f32], rows: usize, cols: usize, panels: &mut [f32]) {
    assert_eq!(plain.len(), rows * cols, "a {rows} x {cols} matrix");
    pack(MatrixRef::dense(plain, rows, cols), panels);
}

/// Writes a matrix as panels.
pub(super) fn pack(from: MatrixRef<'_>, panels: &mut [f32]) {
    let (rows, cols) = (from.rows(), from.cols());
    assert_eq!(panels.len(), panel_len(rows, cols), "a {rows} x {cols} matrix as panels");
    for panel in 0..cols.div_ceil(PANEL) {
        let (columns, width) = (panel_columns(cols, panel), panel_width(cols, panel));
        let to = &mut panels[panel * PANEL * rows..][..width * rows];
        for (row, to) in to.chunks_exact_mut(width).enumerate() {
            let (filled, padding) = to.split_at_mut(columns.len());
            filled.copy_from_slice(&from.row(row)[columns.clone()]);
            padding.fill(0.0);
        }
    }
}

/// Writes a matrix given as panels in row-major order.
///
/// # Panics
/// If the lengths do not fit the matrix.
pub(crate) fn from_panels(panels: &[f32], rows: usize, cols: usize, plain: &mut [f32]) {
    assert_eq!(plain.len(), rows * cols, "a {rows} x {cols} matrix");
    unpack(Panels::new(panels, rows, cols), MatrixMut::dense(plain, rows, cols));
}

/// Writes a matrix given as panels row by row.
pub(super) fn unpack(panels: Panels<'_>, mut to: MatrixMut<'_>) {
    let (rows, cols) = (panels.rows(), panels.cols());
    assert_eq!((to.rows(), to.cols()), (rows, cols), "the matrix to write");
    for panel in 0..cols.div_ceil(PANEL) {
        let columns = panel_columns(cols, panel);
        for (row, from) in panels.panel(panel).chunks_exact(panel_width(cols, panel)).enumerate() {
            to.row_mut(row)[columns.clone()].copy_from_slice(&from[..columns.len()]);
        }
    }
}

/// A matrix stored as panels, to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panels<'a> {
    floats: &'a [f32],
    rows: usize,
    cols: usize,
}

impl<'a> Panels<'a> {
    /// The rows x cols matrix stored in `floats`.
    ///
    /// # Panics
    /// If `floats` has another length than [`panel_len`].
    pub(crate) fn new(floats: &'a [f32], rows: usize, cols: usize) -> Self {
        assert_eq!(floats.len(), panel_len(rows, cols), "a {rows} x {cols} matrix as panels");
        Self { floats, rows, cols }
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns, without padding.
    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// The columns in `range`, which are whole panels.
    ///
    /// # Panics
    /// If the range does not begin at a panel, or ends within one.
    pub(crate) fn columns(&self, range: Range<usize>) -> Self {
        let whole = |column: usize| column.is_multiple_of(PANEL) || column == self.cols;
        assert!(whole(range.start) && whole(range.end), "panels of {range:?}");
        let first = panel_len(self.rows, range.start);
        let floats = &self.floats[first..first + panel_len(self.rows, range.len())];
        Self::new(floats, self.rows, range.len())
    }

    /// The floats of one panel.
    pub(super) fn panel(&self, panel: usize) -> &'a [f32] {
        &self.floats[panel * PANEL * self.rows..][..panel_width(self.cols, panel) * self.rows]
    }

    /// How many panels there are.
    pub(super) fn count(&self) -> usize {
        self.cols.div_ceil(PANEL)
    }
}
