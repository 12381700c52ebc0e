//! The transforms of pixels: squares of an image become numbers at each point.

use std::marker::PhantomData;

use super::super::MatrixRef;
use super::super::vector::{Kernel, Vector, load};
use super::grid::{Alike, Block, Form, Place};
use super::passes::{Lines, Square, Transforms};
use super::transforms::{MOST_POINTS, Transform};

/// Squares of pixels, one for each tile of a block, and where their transforms go, as [`Planes`].
#[derive(Clone, Copy)]
pub(super) struct Patches<'a> {
    /// Images, one row for each pixel.
    pub(super) images: MatrixRef<'a>,
    /// Rows and columns of an image.
    pub(super) size: [usize; 2],
    /// How far above and to the left of its tile a square begins.
    pub(super) before: [usize; 2],
    pub(super) block: &'a Block,
    /// As many zeros as an image has channels: what pixels beyond its edges hold.
    pub(super) zeros: &'a [f32],
    pub(super) to: *mut f32,
    /// Numbers from one plane to the next.
    pub(super) plane: usize,
    /// The channels, and zeros up to a whole number of vectors.
    pub(super) depth: usize,
    /// Points along an axis.
    pub(super) points: usize,
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

/// The transform of squares of pixels to numbers at all points.
pub(super) struct ToPoints<'a, T>(pub(super) Patches<'a>, pub(super) PhantomData<T>);

impl<T: Transforms> Kernel for ToPoints<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let patches = &self.0;
        // SAFETY: the machine has the instructions, as the caller states.
        let mut square = unsafe { [[V::splat(0.0); MOST_POINTS]; MOST_POINTS] };
        for alike in patches.block.alike() {
            for place in alike.places() {
                // SAFETY: as the caller states.
                unsafe { patches.transform::<T, V>(&alike, place, &mut square) };
            }
        }
    }
}

impl Patches<'_> {
    /// Transforms the square of a tile.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`; the images must have the tile, and `to` must have room
    /// for all planes, which nothing else may use meanwhile.
    #[inline(always)]
    unsafe fn transform<T: Transforms, V: Vector>(
        &self,
        alike: &Alike<'_>,
        place: Place,
        square: &mut Square<V>,
    ) {
        let ([height, width], [above, left]) = (self.size, self.before);
        let (channels, stride) = (self.images.cols(), self.images.stride());
        let zeros = self.zeros[..channels].as_ptr();
        let image = self.images.as_ptr().wrapping_add(place.image * height * width * stride);
        // Where the first pixel of each row would be, and how far the others are from it.
        let mut rows = [(zeros, 0); MOST_POINTS];
        for (y, row) in rows.iter_mut().enumerate() {
            // Before the edge, this wraps round to a row behind the image.
            let inside = (place.row + y).wrapping_sub(above);
            if inside < height {
                let first = (inside * width + place.column).wrapping_sub(left);
                *row = (image.wrapping_add(first.wrapping_mul(stride)), stride);
            }
        }
        let first = left.saturating_sub(place.column);
        let filled = first..(width + left).saturating_sub(place.column).max(first);
        let to = self.to.wrapping_add(place.number * self.depth);
        for channel in (0..self.depth).step_by(V::LANES) {
            let lanes = channels.saturating_sub(channel).min(V::LANES);
            let pixels = PixelColumns {
                rows: &rows,
                filled: [filled.start, filled.end],
                columns: T::inputs(alike.columns.pairs),
                channel,
                lanes,
                square: &mut *square,
            };
            // SAFETY: the pixels that are filled have these channels, and so have the zeros.
            unsafe { T::with(alike.rows.pairs, pixels) };
            let rows = PlaneRows {
                square: &*square,
                rows: alike.rows,
                columns: alike.columns,
                to: to.wrapping_add(channel),
                plane: self.plane,
                points: self.points,
            };
            // SAFETY: the planes have room, as the caller states.
            unsafe { T::with(alike.columns.pairs, rows) };
        }
    }
}

/// Columns of pixels, which become columns of a square.
struct PixelColumns<'a, V> {
    rows: &'a [(*const f32, usize); MOST_POINTS],
    /// The columns from the first of these to the second are pixels of the image.
    filled: [usize; 2],
    columns: usize,
    channel: usize,
    lanes: usize,
    square: &'a mut Square<V>,
}

impl<V: Vector> Lines for PixelColumns<'_, V> {
    #[inline(always)]
    unsafe fn run<T: Transform<I, O>, const I: usize, const O: usize>(self) {
        // SAFETY: as the caller states.
        unsafe {
            for column in 0..self.columns {
                let mut numbers = [V::splat(0.0); I];
                if self.filled[0] <= column && column < self.filled[1] {
                    for (number, &(row, step)) in numbers.iter_mut().zip(self.rows) {
                        let pixel = row.wrapping_add(column * step + self.channel);
                        *number = load(pixel, self.lanes);
                    }
                }
                for (row, number) in self.square.iter_mut().zip(T::apply(numbers)) {
                    row[column] = number;
                }
            }
        }
    }
}

/// Rows of a square, which become rows of points.
struct PlaneRows<'a, V> {
    square: &'a Square<V>,
    rows: Form,
    columns: Form,
    to: *mut f32,
    plane: usize,
    points: usize,
}

impl<V: Vector> Lines for PlaneRows<'_, V> {
    #[inline(always)]
    unsafe fn run<T: Transform<I, O>, const I: usize, const O: usize>(self) {
        let (finite, all) = (self.rows.finite(), self.points);
        for row in 0..finite + usize::from(self.rows.infinite) {
            let mut numbers = [self.square[row][0]; I];
            numbers.copy_from_slice(&self.square[row][..I]);
            let row = if row < finite { row } else { all - 1 };
            let to = self.to.wrapping_add(row * all * self.plane);
            let points = T::apply(numbers);
            // SAFETY: the planes have room, as the caller states.
            unsafe {
                for (column, number) in points[..O - 1].iter().enumerate() {
                    number.store(to.wrapping_add(column * self.plane));
                }
                if self.columns.infinite {
                    points[O - 1].store(to.wrapping_add((all - 1) * self.plane));
                }
            }
        }
    }
}
