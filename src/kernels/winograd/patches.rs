//! The transforms of pixels: squares of an image become numbers at each point.

use std::marker::PhantomData;
use std::ops::Range;

use super::super::MatrixRef;
use super::super::vector::{Kernel, Vector, load};
use super::grid::Grid;
use super::transforms::{Transform, both_axes};

/// Squares of pixels, one for each of `tiles`, and where their transforms go, as [`Planes`].
#[derive(Clone, Copy)]
pub(super) struct Patches<'a> {
    /// Images, one row for each pixel.
    pub(super) images: MatrixRef<'a>,
    /// Rows and columns of an image.
    pub(super) size: [usize; 2],
    /// How far above and to the left of its tile a square begins.
    pub(super) before: [usize; 2],
    pub(super) grid: Grid,
    pub(super) tiles: &'a Range<usize>,
    /// As many zeros as an image has channels: what pixels beyond its edges hold.
    pub(super) zeros: &'a [f32],
    pub(super) to: *mut f32,
    /// Numbers from one plane to the next.
    pub(super) plane: usize,
    /// The channels, and zeros up to a whole number of vectors.
    pub(super) depth: usize,
}

/// Numbers at each point: plane after plane, one for each point, with a row of `depth` numbers for each tile.
#[derive(Clone, Copy)]
pub(super) struct Planes<'a> {
    pub(super) numbers: &'a [f32],
    /// Numbers from one plane to the next.
    pub(super) plane: usize,
    pub(super) depth: usize,
}

impl Planes<'_> {
    /// Panics unless there are planes for so many points, and rows for so many tiles.
    pub(super) fn check(&self, points: usize, tiles: usize) {
        assert!(tiles * self.depth <= self.plane, "{tiles} rows of a plane");
        assert!(points * self.plane <= self.numbers.len(), "planes for {points} points");
    }
}

/// The transform of squares of `I` x `I` pixels to numbers at `O` x `O` points.
pub(super) struct Points<'a, T, const I: usize, const O: usize>(
    pub(super) Patches<'a>,
    pub(super) PhantomData<T>,
);

impl<T: Transform<I, O>, const I: usize, const O: usize> Kernel for Points<'_, T, I, O> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: as the caller states.
        unsafe { self.0.transform::<T, V, I, O>() }
    }
}

impl Patches<'_> {
    /// Transforms squares of `I` x `I` pixels to numbers at `O` x `O` points.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`; the images must have all tiles, and `to` must have room
    /// for all planes, which nothing else may use meanwhile.
    #[inline(always)]
    unsafe fn transform<T: Transform<I, O>, V: Vector, const I: usize, const O: usize>(self) {
        let [height, width] = self.size;
        let (channels, stride) = (self.images.cols(), self.images.stride());
        let zeros = self.zeros[..channels].as_ptr();
        for (number, place) in self.grid.places(self.tiles.clone()).enumerate() {
            let image = self.images.as_ptr().wrapping_add(place.image * height * width * stride);
            let mut pixels = [[zeros; I]; I];
            for (y, pixels) in pixels.iter_mut().enumerate() {
                // Before the edge, this wraps round to a row behind the image.
                let row = (place.row + y).wrapping_sub(self.before[0]);
                if row >= height {
                    continue;
                }
                for (x, pixel) in pixels.iter_mut().enumerate() {
                    let column = (place.column + x).wrapping_sub(self.before[1]);
                    if column < width {
                        *pixel = image.wrapping_add((row * width + column) * stride);
                    }
                }
            }
            let to = self.to.wrapping_add(number * self.depth);
            let whole = channels - channels % V::LANES;
            // SAFETY: these are channels of pixels, or zeros, and the caller vouches for the planes.
            unsafe {
                for channel in (0..whole).step_by(V::LANES) {
                    self.vector::<T, V, I, O>(&pixels, channel, V::LANES, to);
                }
                for channel in (whole..self.depth).step_by(V::LANES) {
                    let lanes = channels.saturating_sub(channel);
                    self.vector::<T, V, I, O>(&pixels, channel, lanes, to);
                }
            }
        }
    }

    /// Transforms `lanes` channels of a square.
    ///
    /// # Safety
    /// As for [`Patches::transform`]; the pixels must have these channels.
    #[inline(always)]
    unsafe fn vector<T: Transform<I, O>, V: Vector, const I: usize, const O: usize>(
        &self,
        pixels: &[[*const f32; I]; I],
        channel: usize,
        lanes: usize,
        to: *mut f32,
    ) {
        // SAFETY: as the caller states.
        unsafe {
            let mut square = [[V::splat(0.0); I]; I];
            for (numbers, pixels) in square.iter_mut().zip(pixels) {
                for (number, pixel) in numbers.iter_mut().zip(pixels) {
                    *number = load(pixel.wrapping_add(channel), lanes);
                }
            }
            let to = to.wrapping_add(channel);
            for (y, numbers) in both_axes::<T, V, I, O>(&square).into_iter().enumerate() {
                for (x, number) in numbers.into_iter().enumerate() {
                    number.store(to.wrapping_add((y * O + x) * self.plane));
                }
            }
        }
    }
}
