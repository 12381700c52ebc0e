//! Images with zeros around them.

use std::ops::Range;

use super::super::{MatrixRef, with_scratch};
use super::Conv2dShape;

/// Floats of images that are worked on together: with what is computed from them, they fit the
/// second-level cache.
const GROUP: usize = 48 * 1024;

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
            output => {
                let taps = shape.kernel[axis].saturating_sub(1) * shape.dilation[axis] + 1;
                (output - 1) * shape.stride[axis] + taps
            }
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

    /// Copies an image (one row per pixel) into a frame whose other floats are already zeros.
    fn fill(&self, image: MatrixRef<'_>, frame: &mut [f32]) {
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

/// Images as the frames that a convolution reads.
pub(super) struct Frames<'a> {
    pub(super) frame: Frame,
    images: MatrixRef<'a>,
    /// The images themselves, if they can be read in place: they are dense, and need no zeros.
    in_place: Option<&'a [f32]>,
}

impl<'a> Frames<'a> {
    /// The frames of images with one row per pixel.
    pub(super) fn new(frame: Frame, images: MatrixRef<'a>) -> Self {
        let inside = frame.origin == [0, 0]
            && frame.size[0] <= frame.image[0]
            && frame.size[1] <= frame.image[1];
        let in_place = if inside { images.contiguous() } else { None };
        let size = if in_place.is_some() { frame.image } else { frame.size };
        Self { frame: Frame { size, ..frame }, images, in_place }
    }

    /// Visits the `items` images in groups: their numbers, and their frames one after the other.
    pub(super) fn each_group(&self, items: usize, mut visit: impl FnMut(Range<usize>, &[f32])) {
        let len = self.frame.len();
        let size = (GROUP / len.max(1)).clamp(1, items.max(1));
        let groups = (0..items).step_by(size).map(|first| first..items.min(first + size));
        if let Some(images) = self.in_place {
            for group in groups {
                visit(group.clone(), &images[group.start * len..group.end * len]);
            }
            return;
        }
        let pixels = self.frame.image[0] * self.frame.image[1];
        with_scratch(size * len, |frames| {
            frames.fill(0.0);
            for group in groups {
                for (place, item) in group.clone().enumerate() {
                    let image = self.images.slice_rows(item * pixels..(item + 1) * pixels);
                    self.frame.fill(image, &mut frames[place * len..][..len]);
                }
                visit(group.clone(), &frames[..group.len() * len]);
            }
        });
    }
}
