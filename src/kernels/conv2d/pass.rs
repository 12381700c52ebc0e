//! One pass over an image that makes all its output pixels, or every so many of them.

use std::ops::Range;

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
        let [pitch, channels] = [self.frame.pitch(), self.frame.channels];
        let [[down, right], [to_down, to_right]] = [self.stride, self.output_steps];
        let mut tile = Tile {
            a: frame.as_ptr(),
            a_rows: std::array::from_fn(|row| row * right * channels),
            b: frame.as_ptr(),
            walk: Walk { outer: 1, a_segment: pitch, a_step: 1, ..Walk::default() },
            c: output,
            c_rows: std::array::from_fn(|row| row * to_right),
            columns: 0,
            start: Start::Zero,
        };
        tile.walk.len = self.taps[1] * channels;
        for panel in 0..self.weights.count() {
            let width = panel_width(self.weights.cols(), panel);
            let columns = panel_columns(self.weights.cols(), panel);
            let b = self.weights.panel(panel);
            tile.columns = columns.len();
            tile.walk.b_step = width;
            tile.walk.b_segment = tile.walk.len * width;
            if let Some(bias) = self.bias {
                tile.start = Start::Bias(bias[columns.clone()].as_ptr());
            }
            // Runs the rows of the tile that belong to pixels of rows first..=last, of which the
            // first starts at column x.
            let run = |tile: &mut Tile, [first, last]: [usize; 2], x: usize, height: usize| {
                let taps = self.filled_taps(first, last);
                let at = (self.first[0] + first * down + taps.start) * pitch;
                tile.a = frame.as_ptr().wrapping_add(at + (self.first[1] + x * right) * channels);
                tile.b = b[taps.start * tile.walk.b_segment..].as_ptr();
                tile.c = output.wrapping_add(first * to_down + x * to_right + columns.start);
                tile.walk.segments = taps.len();
                // SAFETY: the pixels' taps lie within the frame, as asserted, each step of the
                // weights is a row of the panel, and the output is as the caller states.
                unsafe { tiles.run(tile, height, width) };
            };
            if cols >= SHORT_ROW {
                for row in 0..rows {
                    tiles.heights(0..cols, |x| run(&mut tile, [row; 2], x.start, x.len()));
                }
                continue;
            }
            tiles.heights(0..rows * cols, |pixels| {
                let [first, x] = [pixels.start / cols, pixels.start % cols];
                let [mut down_by, mut at] = [0, x];
                for row in 0..pixels.len() {
                    let right_by = at.wrapping_sub(x);
                    let from = down_by * down * pitch;
                    tile.a_rows[row] = from.wrapping_add(right_by.wrapping_mul(right * channels));
                    let to = down_by * to_down;
                    tile.c_rows[row] = to.wrapping_add(right_by.wrapping_mul(to_right));
                    at += 1;
                    if at == cols {
                        [down_by, at] = [down_by + 1, 0];
                    }
                }
                let last = (pixels.end - 1) / cols;
                run(&mut tile, [first, last], x, pixels.len());
            });
        }
    }

    /// The rows of taps that meet more than zeros in one of the output rows `first..=last`.
    fn filled_taps(&self, first: usize, last: usize) -> Range<usize> {
        let filled = self.frame.rows();
        let row = |output: usize| self.first[0] + output * self.stride[0];
        let start = filled.start.saturating_sub(row(last)).min(self.taps[0]);
        start..filled.end.saturating_sub(row(first)).clamp(start, self.taps[0])
    }
}
