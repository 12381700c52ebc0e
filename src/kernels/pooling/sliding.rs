//! Max pooling whose windows of 3 x 3 pixels lie one pixel apart: from one window to the next of a row, two columns of
//! pixels stay in registers.

use super::super::vector::{Kernel, Vector, load, store};
use super::{Pixels, PoolShape};

/// Rows and columns of a window.
const SIDE: usize = 3;

/// Whether windows are such.
pub(super) fn fits(shape: &PoolShape) -> bool {
    shape.size == [SIDE; 2] && shape.stride == [1, 1]
}

/// The pixels of three rows of an image, some of which may lie outside of it.
#[derive(Clone, Copy)]
struct Rows {
    /// The first pixel of each row.
    first: [Option<usize>; SIDE],
    /// Columns of the image, and those of padding on its left.
    width: usize,
    left: usize,
}

impl Rows {
    /// Those under the windows of output row `y`.
    fn under(shape: &PoolShape, item: usize, y: usize) -> Self {
        let ([height, width, _], [above, left]) = (shape.input, shape.padding);
        let first = |row: usize| {
            // Above the image, this wraps round to a row behind it.
            let row = (y + row).wrapping_sub(above);
            (row < height).then(|| (item * height + row) * width)
        };
        Self { first: std::array::from_fn(first), width, left }
    }

    /// The pixel in a row and a column that counts padding; nothing outside of the image.
    #[inline(always)]
    fn pixel(&self, row: usize, column: usize) -> Option<usize> {
        let column = column.wrapping_sub(self.left);
        if column < self.width { self.first[row].map(|first| first + column) } else { None }
    }

    /// The pixels of a column; `outside` where there are none.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`, and the matrix these pixels.
    #[inline(always)]
    unsafe fn column<V: Vector>(
        &self,
        from: Pixels<*const f32>,
        column: usize,
        (channel, lanes): (usize, usize),
        outside: f32,
    ) -> [V; SIDE] {
        // SAFETY: as the caller states.
        unsafe {
            let mut numbers = [V::splat(outside); SIDE];
            for (row, number) in numbers.iter_mut().enumerate() {
                if let Some(pixel) = self.pixel(row, column) {
                    *number = load(from.at(pixel, channel), lanes);
                }
            }
            numbers
        }
    }
}

/// What is done with rows of windows.
trait VisitRow {
    /// Works on some channels of a row of windows, whose first one is pixel `first` of the output.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`, and the matrices all pixels.
    unsafe fn visit<V: Vector>(&self, rows: Rows, first: usize, channels: (usize, usize));
}

/// Visits all rows of windows, by ranges of channels.
///
/// # Safety
/// As for [`VisitRow::visit`].
#[inline(always)]
unsafe fn each_row<V: Vector>(shape: &PoolShape, items: usize, work: &impl VisitRow) {
    let [height, width] = shape.output;
    for (item, y) in (0..items).flat_map(|item| (0..height).map(move |y| (item, y))) {
        let (rows, first) = (Rows::under(shape, item, y), (item * height + y) * width);
        for channel in (0..shape.input[2]).step_by(V::LANES) {
            let lanes = V::LANES.min(shape.input[2] - channel);
            // SAFETY: as the caller states.
            unsafe { work.visit::<V>(rows, first, (channel, lanes)) };
        }
    }
}

/// The larger one, NaN if one is.
#[inline(always)]
fn larger<V: Vector>(one: V, other: V) -> V {
    one.select_eq(one, one.max(other), one)
}

/// The largest pixel of each window.
pub(super) struct Max<'a> {
    pub(super) shape: &'a PoolShape,
    pub(super) items: usize,
    pub(super) input: Pixels<*const f32>,
    pub(super) output: Pixels<*mut f32>,
}

impl Kernel for Max<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the matrices have been checked, and the machine has the instructions, as the caller states.
        unsafe { each_row::<V>(self.shape, self.items, &self) };
    }
}

impl VisitRow for Max<'_> {
    #[inline(always)]
    unsafe fn visit<V: Vector>(&self, rows: Rows, first: usize, channels: (usize, usize)) {
        // SAFETY: as the caller states.
        unsafe {
            let mut before = [V::splat(f32::NEG_INFINITY); SIDE - 1];
            for column in 0..self.shape.output[1] + SIDE - 1 {
                let [a, b, c] = rows.column::<V>(self.input, column, channels, f32::NEG_INFINITY);
                let largest = larger(larger(a, b), c);
                if let Some(place) = column.checked_sub(SIDE - 1) {
                    let largest = larger(larger(before[0], before[1]), largest);
                    store(largest, self.output.at(first + place, channels.0), channels.1);
                }
                before = [before[1], largest];
            }
        }
    }
}

/// The gradient of the input, which is added to zeros.
pub(super) struct MaxGrad<'a> {
    pub(super) shape: &'a PoolShape,
    pub(super) items: usize,
    pub(super) input: Pixels<*const f32>,
    pub(super) output: Pixels<*const f32>,
    pub(super) output_grad: Pixels<*const f32>,
    pub(super) gradient: Pixels<*mut f32>,
}

impl Kernel for MaxGrad<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the matrices have been checked, and the machine has the instructions, as the caller states.
        unsafe { each_row::<V>(self.shape, self.items, &self) };
    }
}

impl VisitRow for MaxGrad<'_> {
    #[inline(always)]
    unsafe fn visit<V: Vector>(&self, rows: Rows, first: usize, channels: (usize, usize)) {
        let (channel, lanes) = channels;
        let gradient = Pixels::of_const(self.gradient);
        // SAFETY: the pixels are those of the matrices, and padding is neither read nor written.
        unsafe {
            let zero = V::splat(0.0);
            // Three columns of pixels and of their gradients; padding equals no largest pixel.
            let mut pixels = [[zero; SIDE]; SIDE];
            let mut sums = [[zero; SIDE]; SIDE];
            for column in 0..self.shape.output[1] + SIDE - 1 {
                pixels =
                    [pixels[1], pixels[2], rows.column(self.input, column, channels, f32::NAN)];
                sums = [sums[1], sums[2], rows.column(gradient, column, channels, 0.0)];
                let Some(place) = column.checked_sub(SIDE - 1) else { continue };
                let largest: V = load(self.output.at(first + place, channel), lanes);
                // What the window has not given away yet.
                let mut rest: V = load(self.output_grad.at(first + place, channel), lanes);
                for row in 0..SIDE {
                    for (pixels, sums) in pixels.iter().zip(&mut sums) {
                        let given = pixels[row].select_eq(largest, rest, zero);
                        sums[row] = sums[row].add(given);
                        rest = pixels[row].select_eq(largest, zero, rest);
                    }
                }
                self.write(&rows, place, channels, sums[0]);
            }
            for (column, sums) in (self.shape.output[1]..).zip(&sums[1..]) {
                self.write(&rows, column, channels, *sums);
            }
        }
    }
}

impl MaxGrad<'_> {
    /// Writes the sums of a column.
    ///
    /// # Safety
    /// As for [`VisitRow::visit`].
    #[inline(always)]
    unsafe fn write<V: Vector>(
        &self,
        rows: &Rows,
        column: usize,
        (channel, lanes): (usize, usize),
        sums: [V; SIDE],
    ) {
        for (row, sum) in sums.into_iter().enumerate() {
            if let Some(pixel) = rows.pixel(row, column) {
                // SAFETY: as the caller states.
                unsafe { store(sum, self.gradient.at(pixel, channel), lanes) };
            }
        }
    }
}
