//! The transform of products at each point to pixels of the output.

use std::marker::PhantomData;
use std::ops::Range;

use super::super::vector::{Kernel, Vector, load, store};
use super::grid::Grid;
use super::transforms::{Transform, both_axes};

/// Products of `tiles` with one panel of the weights: plane after plane, one for each point, a row of `width`
/// numbers for each tile. They become the pixels of `columns` columns of the output.
pub(super) struct Outputs<'a, T, const N: usize, const M: usize> {
    pub(super) products: *const f32,
    /// Numbers from one plane to the next.
    pub(super) plane: usize,
    pub(super) width: usize,
    pub(super) columns: usize,
    pub(super) bias: Option<&'a [f32]>,
    pub(super) grid: Grid,
    pub(super) tiles: &'a Range<usize>,
    /// Rows and columns of an output image.
    pub(super) size: [usize; 2],
    /// The first of these columns of the first pixel of the first image.
    pub(super) to: *mut f32,
    /// Floats from one pixel to the next.
    pub(super) step: usize,
    pub(super) transform: PhantomData<T>,
}

impl<T: Transform<N, M>, const N: usize, const M: usize> Kernel for Outputs<'_, T, N, M> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let [height, width] = self.size;
        for (number, place) in self.grid.places(self.tiles.clone()).enumerate() {
            let pixel = (place.image * height + place.row) * width + place.column;
            let filled = [M.min(height - place.row), M.min(width - place.column)];
            for column in (0..self.columns).step_by(V::LANES) {
                let from = self.products.wrapping_add(number * self.width + column);
                let to = self.to.wrapping_add(pixel * self.step + column);
                let lanes = V::LANES.min(self.columns - column);
                // SAFETY: the planes have rows for all tiles, of whole vectors, and these pixels and columns
                // are the output's, as the caller states.
                unsafe {
                    if filled == [M; 2] && lanes == V::LANES {
                        self.vector::<V>(from, column, V::LANES, [M; 2], to);
                    } else {
                        self.vector::<V>(from, column, lanes, filled, to);
                    }
                }
            }
        }
    }
}

impl<T: Transform<N, M>, const N: usize, const M: usize> Outputs<'_, T, N, M> {
    /// Transforms `lanes` columns of a tile, of which these rows and columns of pixels exist.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`; the planes must be readable, the pixels writable.
    #[inline(always)]
    unsafe fn vector<V: Vector>(
        &self,
        from: *const f32,
        column: usize,
        lanes: usize,
        [rows, columns]: [usize; 2],
        to: *mut f32,
    ) {
        // SAFETY: as the caller states.
        unsafe {
            let mut numbers = [[V::splat(0.0); N]; N];
            for (y, numbers) in numbers.iter_mut().enumerate() {
                for (x, number) in numbers.iter_mut().enumerate() {
                    *number = V::load(from.wrapping_add((y * N + x) * self.plane));
                }
            }
            let bias = match self.bias {
                Some(bias) => load(bias.as_ptr().wrapping_add(column), lanes),
                None => V::splat(0.0),
            };
            let pixels = both_axes::<T, V, N, M>(&numbers);
            for (y, pixels) in pixels.into_iter().enumerate() {
                for (x, pixel) in pixels.into_iter().enumerate() {
                    if y < rows && x < columns {
                        let to = to.wrapping_add((y * self.size[1] + x) * self.step);
                        store(pixel.add(bias), to, lanes);
                    }
                }
            }
        }
    }
}
