//! The transform of products at each point to pixels of the output.

use std::marker::PhantomData;

use super::super::vector::{Kernel, Vector, load, store};
use super::grid::{Alike, Block, Form, Place};
use super::passes::{Lines, Square, Transforms};
use super::transforms::{MOST_POINTS, Transform};

/// Products of the tiles of a block with one panel of the weights: plane after plane, one for each point, a row of
/// `width` numbers for each tile. They become the pixels of `columns` columns of the output.
pub(super) struct ToPixels<'a, T> {
    pub(super) products: *const f32,
    /// Numbers from one plane to the next.
    pub(super) plane: usize,
    /// Points along an axis.
    pub(super) points: usize,
    pub(super) width: usize,
    pub(super) columns: usize,
    pub(super) bias: Option<&'a [f32]>,
    pub(super) block: &'a Block,
    /// Rows and columns of an output image.
    pub(super) size: [usize; 2],
    /// Rows and columns of the largest tiles.
    pub(super) side: usize,
    /// The first of these columns of the first pixel of the first image.
    pub(super) to: *mut f32,
    /// Floats from one pixel to the next.
    pub(super) step: usize,
    pub(super) transforms: PhantomData<T>,
}

impl<T: Transforms> Kernel for ToPixels<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the machine has the instructions, as the caller states.
        let mut square = unsafe { [[V::splat(0.0); MOST_POINTS]; MOST_POINTS] };
        for alike in self.block.alike() {
            for place in alike.places() {
                // SAFETY: as the caller states.
                unsafe { self.transform::<V>(&alike, place, &mut square) };
            }
        }
    }
}

impl<T: Transforms> ToPixels<'_, T> {
    /// Transforms the products of a tile.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`; the planes must be readable, the pixels writable.
    #[inline(always)]
    unsafe fn transform<V: Vector>(&self, alike: &Alike<'_>, place: Place, square: &mut Square<V>) {
        let [height, width] = self.size;
        let pixel = (place.image * height + place.row) * width + place.column;
        let rows = self.side.min(height - place.row);
        let columns = self.side.min(width - place.column);
        for column in (0..self.columns).step_by(V::LANES) {
            let lanes = V::LANES.min(self.columns - column);
            let products = PlaneColumns {
                from: self.products.wrapping_add(place.number * self.width + column),
                plane: self.plane,
                points: self.points,
                rows: alike.rows,
                columns: alike.columns,
                square: &mut *square,
            };
            // SAFETY: the planes have rows for all tiles, of whole vectors.
            unsafe {
                T::with(alike.rows.pairs, products);
                let bias = match self.bias {
                    Some(bias) => load(bias.as_ptr().wrapping_add(column), lanes),
                    None => V::splat(0.0),
                };
                let pixels = PixelRows {
                    square: &*square,
                    rows,
                    columns,
                    bias,
                    to: self.to.wrapping_add(pixel * self.step + column),
                    row_step: width * self.step,
                    step: self.step,
                    lanes,
                };
                T::with(alike.columns.pairs, pixels);
            }
        }
    }
}

/// Columns of points, which become columns of a square.
struct PlaneColumns<'a, V> {
    from: *const f32,
    plane: usize,
    points: usize,
    rows: Form,
    columns: Form,
    square: &'a mut Square<V>,
}

impl<V: Vector> Lines for PlaneColumns<'_, V> {
    #[inline(always)]
    unsafe fn run<T: Transform<I, O>, const I: usize, const O: usize>(self) {
        let (finite, last) = (self.columns.finite(), self.points - 1);
        // SAFETY: as the caller states.
        unsafe {
            for column in 0..=finite {
                let mut numbers = [V::splat(0.0); I];
                let is_infinite = column == finite;
                if !is_infinite || self.columns.infinite {
                    let from = if is_infinite { last } else { column };
                    let from = self.from.wrapping_add(from * self.plane);
                    let down = self.points * self.plane;
                    for (row, number) in numbers[..I - 1].iter_mut().enumerate() {
                        *number = V::load(from.wrapping_add(row * down));
                    }
                    if self.rows.infinite {
                        numbers[I - 1] = V::load(from.wrapping_add(last * down));
                    }
                }
                for (row, number) in self.square.iter_mut().zip(T::apply(numbers)) {
                    row[column] = number;
                }
            }
        }
    }
}

/// Rows of a square, which become rows of pixels.
struct PixelRows<'a, V> {
    square: &'a Square<V>,
    /// Rows and columns of pixels that exist.
    rows: usize,
    columns: usize,
    bias: V,
    to: *mut f32,
    /// Floats from one row of pixels to the next, and from one pixel to the next.
    row_step: usize,
    step: usize,
    lanes: usize,
}

impl<V: Vector> Lines for PixelRows<'_, V> {
    #[inline(always)]
    unsafe fn run<T: Transform<I, O>, const I: usize, const O: usize>(self) {
        for row in 0..self.rows {
            let mut numbers = [self.square[row][0]; I];
            numbers.copy_from_slice(&self.square[row][..I]);
            let to = self.to.wrapping_add(row * self.row_step);
            for (column, pixel) in T::apply(numbers).into_iter().enumerate() {
                if column < self.columns {
                    // SAFETY: the pixels are writable, as the caller states.
                    unsafe {
                        store(
                            pixel.add(self.bias),
                            to.wrapping_add(column * self.step),
                            self.lanes,
                        );
                    }
                }
            }
        }
    }
}
