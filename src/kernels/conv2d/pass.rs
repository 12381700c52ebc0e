//! One pass over images that makes all their output pixels, or every so many of them.

use std::ops::Range;

use super::super::panels::{Panels, panel_columns, panel_width};
use super::super::tile::{Ahead, MAX_ROWS, Rows, Start, Tile, Tiles, Walk};
use super::frame::Frame;

/// Rows of output pixels shorter than this share tiles with the next ones, also of the next image.
const SHORT_ROW: usize = 6;

/// The output pixel (y, x) is `start` plus the sum over the taps (i, j) of
/// `frame[first + (y, x) * stride + (i, j) * dilation] * weights[tap (i, j)]`.
pub(super) struct Pass<'a> {
    pub(super) frame: Frame,
    /// The frame's position of the first tap of the first output pixel.
    pub(super) first: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    pub(super) taps: [usize; 2],
    /// taps x channels rows.
    pub(super) weights: Panels<'a>,
    pub(super) bias: Option<&'a [f32]>,
    /// Rows and columns of output pixels.
    pub(super) output: [usize; 2],
    /// Floats from one output image to the next, from one row of pixels to the next, and from one
    /// pixel to the next.
    pub(super) output_steps: [usize; 3],
}

impl Pass<'_> {
    /// Runs over `images` images, whose frames lie one after the other; the output starts at
    /// `output`.
    ///
    /// # Safety
    /// The output pixels must be writable, and nothing else may use them meanwhile.
    pub(super) unsafe fn run(&self, images: usize, frames: &[f32], output: *mut f32) {
        let [rows, cols] = self.output;
        if images * rows * cols == 0 {
            return;
        }
        let reach = |axis: usize| {
            let taps = match self.taps[axis] {
                0 => 0,
                taps => (taps - 1) * self.dilation[axis] + 1,
            };
            self.first[axis] + (self.output[axis] - 1) * self.stride[axis] + taps
        };
        assert!(frames.len() >= images * self.frame.len(), "floats of the frames");
        assert!(
            reach(0) <= self.frame.size[0] && reach(1) <= self.frame.size[1],
            "size of a frame"
        );
        let steps = self.taps[0] * self.taps[1] * self.frame.channels;
        assert_eq!(self.weights.rows(), steps, "rows of the weights");
        let tiles = Tiles::current();
        let [pitch, channels] = [self.frame.pitch(), self.frame.channels];
        let ([down, right], [to_image, to_down, to_right]) = (self.stride, self.output_steps);
        let mut tile = Tile {
            a: frames.as_ptr(),
            a_rows: Rows::Apart(right * channels),
            b: frames.as_ptr(),
            walk: Walk { outer: 1, a_step: 1, ..Walk::default() },
            c: output,
            c_rows: std::array::from_fn(|row| row * to_right),
            columns: 0,
            start: Start::Zero,
            ahead: Ahead { from: frames.as_ptr(), step: 0 },
        };
        // Taps of one row that touch are walked through as one, and rows of taps as segments; others
        // are segments each, and rows are what is around them.
        let line = self.taps[1] * channels;
        let apart = self.dilation[1] > 1 && self.taps[1] > 1;
        let down_taps = self.dilation[0] * pitch;
        if apart {
            tile.walk.len = channels;
            tile.walk.segments = self.taps[1];
            (tile.walk.a_outer, tile.walk.a_segment) = (down_taps, self.dilation[1] * channels);
        } else {
            (tile.walk.len, tile.walk.a_segment) = (line, down_taps);
        }
        for panel in 0..self.weights.count() {
            let width = panel_width(self.weights.cols(), panel);
            let columns = panel_columns(self.weights.cols(), panel);
            let b = self.weights.panel(panel);
            tile.columns = columns.len();
            tile.walk.b_step = width;
            tile.walk.b_segment = tile.walk.len * width;
            tile.walk.b_outer = line * width;
            if let Some(bias) = self.bias {
                tile.start = Start::Bias(bias[columns.clone()].as_ptr());
            }
            // Where the first tap and the output of a pixel are.
            let from = |image: usize, y: usize, x: usize| {
                let (y, x) = (self.first[0] + y * down, self.first[1] + x * right);
                image * self.frame.len() + y * pitch + x * channels
            };
            let to = |image: usize, y: usize, x: usize| {
                image * to_image + y * to_down + x * to_right + columns.start
            };
            // SAFETY (of both calls): the pixels' taps lie within the frames, as asserted, each step
            // of the weights is a row of the panel, and the output is as the caller states.
            if cols < SHORT_ROW {
                tile.b = b.as_ptr();
                *(if apart { &mut tile.walk.outer } else { &mut tile.walk.segments }) =
                    self.taps[0];
                tiles.heights(0..images * rows * cols, |pixels| {
                    let mut a_rows = [0; MAX_ROWS];
                    for (row, pixel) in pixels.clone().enumerate() {
                        let (y, x) = (pixel / cols, pixel % cols);
                        a_rows[row] = from(y / rows, y % rows, x);
                        tile.c_rows[row] = to(y / rows, y % rows, x);
                    }
                    tile.a_rows = Rows::At(a_rows);
                    // SAFETY: see above.
                    unsafe { tiles.run(&mut tile, pixels.len(), width) };
                });
                continue;
            }
            for (image, y) in (0..images).flat_map(|image| (0..rows).map(move |y| (image, y))) {
                let taps = self.filled_taps(y);
                tile.b = b[taps.start * tile.walk.b_outer..].as_ptr();
                *(if apart { &mut tile.walk.outer } else { &mut tile.walk.segments }) = taps.len();
                let a = from(image, y, 0) + taps.start * down_taps;
                let a = frames.as_ptr().wrapping_add(a);
                let c = output.wrapping_add(to(image, y, 0));
                tiles.heights(0..cols, |x| {
                    tile.a = a.wrapping_add(x.start * right * channels);
                    tile.c = c.wrapping_add(x.start * to_right);
                    // SAFETY: see above.
                    unsafe { tiles.run(&mut tile, x.len(), width) };
                });
            }
        }
    }

    /// The rows of taps that meet more than zeros in output row `y`.
    fn filled_taps(&self, y: usize) -> Range<usize> {
        let filled = self.frame.rows();
        let first = self.first[0] + y * self.stride[0];
        let tap = |row: usize| row.saturating_sub(first).div_ceil(self.dilation[0]);
        let start = tap(filled.start).min(self.taps[0]);
        start..tap(filled.end).clamp(start, self.taps[0])
    }
}
