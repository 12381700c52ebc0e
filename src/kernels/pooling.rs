//! Pooling of images: the largest or the mean pixel of each window, channel by channel.

mod average;
mod sliding;

use std::ops::Range;

use super::cascade::TILE;
use super::vector::{Kernel, Vector, dispatch, load, store};
use super::{MatrixMut, MatrixRef};

pub(crate) use average::{average_pool, average_pool_grad, global_average, global_average_grad};

/// The shape of a pooling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PoolShape {
    /// Height, width and channels of an input image.
    pub(crate) input: [usize; 3],
    /// Height and width of a window.
    pub(crate) size: [usize; 2],
    /// Rows and columns from one window to the next; at least 1.
    pub(crate) stride: [usize; 2],
    /// Rows on top of the image and columns on its left that windows reach beyond it.
    pub(crate) padding: [usize; 2],
    /// Height and width of an output image.
    pub(crate) output: [usize; 2],
}

impl PoolShape {
    /// The rows or columns of the image in window `window` along `axis`.
    fn inside(&self, axis: usize, window: usize) -> Range<usize> {
        let start = window * self.stride[axis];
        let end = (start + self.size[axis]).saturating_sub(self.padding[axis]);
        let end = end.min(self.input[axis]);
        start.saturating_sub(self.padding[axis]).min(end)..end
    }

    /// Whether no pixel is in two windows.
    fn is_apart(&self) -> bool {
        (0..2).all(|axis| self.stride[axis] >= self.size[axis])
    }

    /// Whether every pixel is in a window, where windows are [apart](Self::is_apart).
    fn covers_all(&self) -> bool {
        (0..2).all(|axis| {
            let reach = self.output[axis] * self.stride[axis];
            self.stride[axis] == self.size[axis] && reach >= self.input[axis] + self.padding[axis]
        })
    }

    /// # Panics
    /// If the matrices do not fit.
    fn check(&self, items: usize, input: [usize; 2], output: [usize; 2]) {
        let [height, width, channels] = self.input;
        assert_eq!(input, [items * height * width, channels], "input of {items} times {self:?}");
        let pixels = self.output[0] * self.output[1];
        assert_eq!(output, [items * pixels, channels], "output of {items} times {self:?}");
    }
}

/// What is done in a window. Rows are those of matrices with one row per pixel.
trait Visit {
    /// Works on `N` vectors of channels, each with so many lanes, from `channel` on, of the window of output row
    /// `output`: its input rows are `window.rows` times `window.cols`, from `window.first` on.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`, and all these must exist.
    unsafe fn visit<V: Vector, const N: usize>(
        &self,
        output: usize,
        window: Window,
        channel: usize,
        lanes: usize,
    );
}

/// The pixels of an image in a window.
#[derive(Clone, Copy)]
struct Window {
    first: usize,
    rows: usize,
    cols: usize,
    /// Rows of the matrix from one row of pixels to the next.
    step: usize,
}

impl Window {
    /// The rows of its pixels, by rows of the image.
    #[inline(always)]
    fn places(self) -> impl Iterator<Item = Range<usize>> {
        (0..self.rows).map(move |row| {
            let first = self.first + row * self.step;
            first..first + self.cols
        })
    }
}

/// A visit of all windows of `items` images, in order.
struct Visits<'a, T>(&'a PoolShape, usize, T);

impl<T: Visit> Kernel for Visits<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self(shape, items, visit) = self;
        let [height, step, channels] = shape.input;
        let mut output = 0;
        for item in 0..items {
            for y in 0..shape.output[0] {
                let rows = shape.inside(0, y);
                for x in 0..shape.output[1] {
                    let cols = shape.inside(1, x);
                    let first = (item * height + rows.start) * step + cols.start;
                    let window = Window { first, rows: rows.len(), cols: cols.len(), step };
                    let mut channel = 0;
                    // SAFETY: all windows lie within the images, whose matrices have been checked.
                    unsafe {
                        while channel + TILE * V::LANES <= channels {
                            visit.visit::<V, TILE>(output, window, channel, V::LANES);
                            channel += TILE * V::LANES;
                        }
                        while channel + V::LANES <= channels {
                            visit.visit::<V, 1>(output, window, channel, V::LANES);
                            channel += V::LANES;
                        }
                        if channel < channels {
                            visit.visit::<V, 1>(output, window, channel, channels - channel);
                        }
                    }
                    output += 1;
                }
            }
        }
    }
}

/// Where the rows of a matrix start.
#[derive(Clone, Copy)]
struct Pixels<P> {
    start: P,
    stride: usize,
}

impl Pixels<*const f32> {
    /// Pixels that are written as well.
    fn of_const(pixels: Pixels<*mut f32>) -> Self {
        Self { start: pixels.start.cast_const(), stride: pixels.stride }
    }

    fn of(matrix: MatrixRef<'_>) -> Self {
        Self { start: matrix.as_ptr(), stride: matrix.stride() }
    }

    #[inline(always)]
    fn at(self, row: usize, channel: usize) -> *const f32 {
        self.start.wrapping_add(row * self.stride + channel)
    }
}

impl Pixels<*mut f32> {
    fn of_mut(mut matrix: MatrixMut<'_>) -> Self {
        Self { start: matrix.as_mut_ptr(), stride: matrix.stride() }
    }

    #[inline(always)]
    fn at(self, row: usize, channel: usize) -> *mut f32 {
        self.start.wrapping_add(row * self.stride + channel)
    }
}

/// The largest pixel of each window, NaN if one is; padding never wins. A window without pixels
/// gives negative infinity.
///
/// Images are matrices with one row per pixel: the input (items * height * width) x channels, the
/// output (items * its height * its width) x channels.
///
/// # Panics
/// If the sizes do not fit.
pub(crate) fn max_pool(
    shape: &PoolShape,
    items: usize,
    input: MatrixRef<'_>,
    output: MatrixMut<'_>,
) {
    struct Max(Pixels<*const f32>, Pixels<*mut f32>);
    impl Visit for Max {
        #[inline(always)]
        unsafe fn visit<V: Vector, const N: usize>(
            &self,
            output: usize,
            window: Window,
            channel: usize,
            lanes: usize,
        ) {
            // SAFETY: as the caller states.
            unsafe {
                let mut largest = [V::splat(f32::NEG_INFINITY); N];
                for places in window.places() {
                    for place in places {
                        let from = self.0.at(place, channel);
                        for (vector, largest) in largest.iter_mut().enumerate() {
                            let larger = largest.max(load(from.add(vector * V::LANES), lanes));
                            *largest = largest.select_eq(*largest, larger, *largest);
                        }
                    }
                }
                for (vector, largest) in largest.into_iter().enumerate() {
                    store(largest, self.1.at(output, channel + vector * V::LANES), lanes);
                }
            }
        }
    }
    shape.check(items, [input.rows(), input.cols()], [output.rows(), output.cols()]);
    let (input, output) = (Pixels::of(input), Pixels::of_mut(output));
    if sliding::fits(shape) {
        dispatch(sliding::Max { shape, items, input, output });
    } else {
        dispatch(Visits(shape, items, Max(input, output)));
    }
}

/// The gradient of [`max_pool`]'s input, overwriting `gradient`: each window adds its gradient to
/// the first of its largest pixels, in row-major order. A NaN takes no gradient.
///
/// # Panics
/// If the sizes do not fit.
pub(crate) fn max_pool_grad(
    shape: &PoolShape,
    items: usize,
    input: MatrixRef<'_>,
    output: MatrixRef<'_>,
    output_grad: MatrixRef<'_>,
    mut gradient: MatrixMut<'_>,
) {
    /// With `ALONE`, no other window has pixels of a window.
    struct MaxGrad<const ALONE: bool> {
        input: Pixels<*const f32>,
        output: Pixels<*const f32>,
        output_grad: Pixels<*const f32>,
        gradient: Pixels<*mut f32>,
    }
    impl<const ALONE: bool> Visit for MaxGrad<ALONE> {
        #[inline(always)]
        unsafe fn visit<V: Vector, const N: usize>(
            &self,
            output: usize,
            window: Window,
            channel: usize,
            lanes: usize,
        ) {
            // SAFETY: as the caller states.
            unsafe {
                let zero = V::splat(0.0);
                for vector in 0..N {
                    let channel = channel + vector * V::LANES;
                    let largest: V = load(self.output.at(output, channel), lanes);
                    // What the window has not given away yet.
                    let mut rest: V = load(self.output_grad.at(output, channel), lanes);
                    for places in window.places() {
                        for place in places {
                            let x: V = load(self.input.at(place, channel), lanes);
                            let to = self.gradient.at(place, channel);
                            let given = x.select_eq(largest, rest, zero);
                            let given = if ALONE { given } else { load::<V>(to, lanes).add(given) };
                            store(given, to, lanes);
                            rest = x.select_eq(largest, zero, rest);
                        }
                    }
                }
            }
        }
    }
    shape.check(items, [input.rows(), input.cols()], [output.rows(), output.cols()]);
    let outputs = [output_grad.rows(), output_grad.cols()];
    shape.check(items, [gradient.rows(), gradient.cols()], outputs);
    let alone = shape.is_apart();
    if !(alone && shape.covers_all()) {
        super::fill(gradient.reborrow(), 0.0);
    }
    let (input, output) = (Pixels::of(input), Pixels::of(output));
    let (output_grad, gradient) = (Pixels::of(output_grad), Pixels::of_mut(gradient));
    if alone {
        let visit = MaxGrad::<true> { input, output, output_grad, gradient };
        dispatch(Visits(shape, items, visit));
    } else if sliding::fits(shape) {
        dispatch(sliding::MaxGrad { shape, items, input, output, output_grad, gradient });
    } else {
        let visit = MaxGrad::<false> { input, output, output_grad, gradient };
        dispatch(Visits(shape, items, visit));
    }
}
