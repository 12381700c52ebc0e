//! One pass over an image that makes all its output pixels, or every so many of them.

use super::super::panels::{Panels, panel_columns, panel_width};
use super::super::tile::{Start, Tile, Tiles, Walk};
use super::frame::Frame;

/// Rows of output pixels shorter than this share tiles with the next row.
const SHORT_ROW: usize = 6;

/// The output pixel (y, x) is `start` plus the sum over the taps (i, j) of
/// `frame[first + (y, x) * stride + (i, j)] * weights[tap (i, j)]`.
pub(super) struct Pass<'a> {
    pub(super) frame: Frame,
    /// The frame's position of the first tap of the first output pixel.
    pub(super) first: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) taps: [usize; 2],
    /// taps x channels rows.
    pub(super) weights: Panels<'a>,
    pub(super) bias: Option<&'a [f32]>,
    /// Rows and columns of output pixels.
    pub(super) output: [usize; 2],
    /// Floats from one row of output pixels to the next, and from one pixel to the next.
    pub(super) output_steps: [usize; 2],
}

impl Pass<'_> {
    /// Runs over the image in `frame`; the output starts at `output`.
    ///
    /// # Safety
    /// The output pixels must be writable, and nothing else may use them meanwhile.
    pub(super) unsafe fn run(&self, frame: &[f32], output: *mut f32) {
        let [rows, cols] = self.output;
        if rows == 0 || cols == 0 {
            return;
        }
        let reach = |axis: usize| {
            self.first[axis] + (self.output[axis] - 1) * self.stride[axis] + self.taps[axis]
        };
        assert!(frame.len() >= self.frame.len(), "floats of a frame");
        assert!(
            reach(0) <= self.frame.size[0] && reach(1) <= self.frame.size[1],
            "size of a frame"
        );
        let steps = self.taps[0] * self.taps[1] * self.frame.channels;
        assert_eq!(self.weights.rows(), steps, "rows of the weights");
        let tiles = Tiles::current();
        for panel in 0..self.weights.count() {
            let mut visit = |pixels: std::ops::Range<usize>| {
                // SAFETY: the pixels' taps lie within the frame, as asserted, each step of the
                // weights is a row of the panel, and the output is as the caller states.
                unsafe { self.tile(tiles, frame, panel, pixels, output) };
            };
            if cols < SHORT_ROW {
                tiles.heights(0..rows * cols, visit);
            } else {
                for row in 0..rows {
                    tiles.heights(row * cols..(row + 1) * cols, &mut visit);
                }
            }
        }
    }

    /// # Safety
    /// As for `run`, whose checks have passed; the pixels must fit a tile.
    unsafe fn tile(
        &self,
        tiles: Tiles,
        frame: &[f32],
        panel: usize,
        pixels: std::ops::Range<usize>,
        output: *mut f32,
    ) {
        let cols = self.output[1];
        let (columns, width) =
            (panel_columns(self.weights.cols(), panel), panel_width(self.weights.cols(), panel));
        let position = |pixel: usize| [pixel / cols, pixel % cols];
        let last = pixels.len() - 1;
        let at = |row: usize| position(pixels.start + row.min(last));
        // Rows of taps that only meet zeros are left out.
        let (pitch, filled) = (self.frame.pitch(), self.frame.rows());
        let row_of = |row: usize| self.first[0] + at(row)[0] * self.stride[0];
        let skipped = filled.start.saturating_sub(row_of(last)).min(self.taps[0]);
        let end = filled.end.saturating_sub(row_of(0)).clamp(skipped, self.taps[0]);
        let line = self.taps[1] * self.frame.channels;
        let from = |row: usize| {
            let [y, x] = at(row);
            let x = self.first[1] + x * self.stride[1];
            (self.first[0] + y * self.stride[0] + skipped) * pitch + x * self.frame.channels
        };
        let to = |row: usize| {
            let [y, x] = at(row);
            y * self.output_steps[0] + x * self.output_steps[1] + columns.start
        };
        let start = match self.bias {
            Some(bias) => Start::Bias(bias[columns.clone()].as_ptr()),
            None => Start::Zero,
        };
        let tile = Tile {
            a: frame.as_ptr(),
            a_rows: std::array::from_fn(from),
            b: self.weights.panel(panel)[skipped * line * width..].as_ptr(),
            walk: Walk {
                outer: 1,
                segments: end - skipped,
                a_segment: pitch,
                b_segment: line * width,
                len: line,
                a_step: 1,
                b_step: width,
                ..Walk::default()
            },
            c: output,
            c_rows: std::array::from_fn(to),
            columns: columns.len(),
            start,
        };
        // SAFETY: as the caller states.
        unsafe { tiles.run(&tile, pixels.len(), width) };
    }
}
