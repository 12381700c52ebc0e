//! Images with zeros around them.

use std::ops::Range;

use super::super::MatrixRef;
use super::Conv2dShape;

/// The part of the plane that a convolution reads: an image of `image` rows and columns whose first
/// pixel stands at `origin`, cut off or surrounded by zeros so that it has `size` rows and columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) size: [usize; 2],
    pub(super) origin: [usize; 2],
    pub(super) image: [usize; 2],
    pub(super) channels: usize,
}

impl Frame {
    /// What the forward phase reads of an input image.
    pub(super) fn of_input(shape: &Conv2dShape) -> Self {
        let size = |axis: usize| match shape.output[axis] {
            0 => 0,
            output => (output - 1) * shape.stride[axis] + shape.kernel[axis],
        };
        Self {
            size: [size(0), size(1)],
            origin: shape.padding,
            image: [shape.input[0], shape.input[1]],
            channels: shape.input[2],
        }
    }

    /// Floats of a frame.
    pub(super) fn len(&self) -> usize {
        self.size[0] * self.pitch()
    }

    /// Floats from one row to the next.
    pub(super) fn pitch(&self) -> usize {
        self.size[1] * self.channels
    }

    /// Rows of the frame that are not all zeros.
    pub(super) fn rows(&self) -> Range<usize> {
        let end = self.size[0].min(self.origin[0] + self.image[0]);
        self.origin[0].min(end)..end
    }

    /// The frame that can be read in place, if images like `images` need no zeros and no copy: they
    /// are dense, and the frame lies within them.
    pub(super) fn in_place(&self, images: &MatrixRef<'_>) -> Option<Self> {
        let inside =
            self.origin == [0, 0] && self.size[0] <= self.image[0] && self.size[1] <= self.image[1];
        (inside && images.stride() == images.cols()).then_some(Self { size: self.image, ..*self })
    }

    /// Copies an image (one row per pixel) into a frame whose other floats are already zeros.
    pub(super) fn fill(&self, image: MatrixRef<'_>, frame: &mut [f32]) {
        let [top, left] = self.origin;
        let width = self.image[1].min(self.size[1].saturating_sub(left));
        for row in self.rows() {
            let from = (row - top) * self.image[1];
            let from = image.slice_rows(from..from + width);
            let to = &mut frame[row * self.pitch() + left * self.channels..];
            if let Some(from) = from.contiguous() {
                to[..from.len()].copy_from_slice(from);
            } else {
                for (pixel, to) in to.chunks_exact_mut(self.channels).take(width).enumerate() {
                    to.copy_from_slice(from.row(pixel));
                }
            }
        }
    }
}
