//! Pooling of images: the largest or the mean pixel of each window, channel by channel.

use std::ops::Range;

use super::vector::{Kernel, Vector, dispatch};
use super::{MatrixMut, MatrixRef};

/// The shape of a pooling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Height, width and channels of an input image.
    pub input: [usize; 3],
    /// Height and width of a window.
    pub size: [usize; 2],
    /// Rows and columns from one window to the next; at least 1.
    pub stride: [usize; 2],
    /// Rows on top of the image and columns on its left that windows reach beyond it.
    pub padding: [usize; 2],
    /// Height and width of an output image.
    pub output: [usize; 2],
}

impl PoolShape {
    /// The rows or columns of the image in window `window` along `axis`.
    fn inside(&self, axis: usize, window: usize) -> Range<usize> {
        let start = window * self.stride[axis];
        let end = (start + self.size[axis]).saturating_sub(self.padding[axis]);
        let end = end.min(self.input[axis]);
        start.saturating_sub(self.padding[axis]).min(end)..end
    }

    /// Visits all windows of `items` images in order: the output pixel, then the row of the first
    /// input pixel in it, and how many rows and columns of pixels are in it.
    fn windows(&self, items: usize, mut visit: impl FnMut(usize, usize, [usize; 2])) {
        let [height, width, _] = self.input;
        let mut output = 0;
        for item in 0..items {
            for y in 0..self.output[0] {
                let rows = self.inside(0, y);
                for x in 0..self.output[1] {
                    let cols = self.inside(1, x);
                    let first = (item * height + rows.start) * width + cols.start;
                    visit(output, first, [rows.len(), cols.len()]);
                    output += 1;
                }
            }
        }
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

/// Visits the vectors of `channels` channels: the first channel and the number of them.
#[inline(always)]
fn vectors<V: Vector>(channels: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..channels).step_by(V::LANES).map(move |first| (first, V::LANES.min(channels - first)))
}

/// Loads `lanes` floats, quickly if these are all.
///
/// # Safety
/// As for [`Vector::load_part`].
#[inline(always)]
unsafe fn load<V: Vector>(from: *const f32, lanes: usize) -> V {
    // SAFETY: as the caller states.
    unsafe { if lanes == V::LANES { V::load(from) } else { V::load_part(from, lanes) } }
}

/// Stores `lanes` floats, quickly if these are all.
///
/// # Safety
/// As for [`Vector::store_part`].
#[inline(always)]
unsafe fn store<V: Vector>(vector: V, to: *mut f32, lanes: usize) {
    // SAFETY: as the caller states.
    unsafe { if lanes == V::LANES { vector.store(to) } else { vector.store_part(to, lanes) } }
}

/// The largest pixel of each window, NaN if one is; padding never wins. A window without pixels
/// gives negative infinity.
///
/// Images are matrices with one row per pixel: the input (items * height * width) x channels, the
/// output (items * its height * its width) x channels.
///
/// # Panics
/// If the sizes do not fit.
pub fn max_pool(shape: &PoolShape, items: usize, input: MatrixRef<'_>, output: MatrixMut<'_>) {
    struct Max<'a>(&'a PoolShape, usize, MatrixRef<'a>, MatrixMut<'a>);
    impl Kernel for Max<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(mut self) {
            let Self(shape, items, input, output) = &mut self;
            let (stride, out_stride, to) = (input.stride(), output.stride(), output.as_mut_ptr());
            shape.windows(*items, |pixel, first, [rows, cols]| {
                for (channel, lanes) in vectors::<V>(input.cols()) {
                    // SAFETY: the window's pixels are rows of the input, `pixel` is one of the
                    // output, and both have these channels.
                    unsafe {
                        let mut largest = V::splat(f32::NEG_INFINITY);
                        for row in 0..rows {
                            let at = (first + row * shape.input[1]) * stride + channel;
                            for col in 0..cols {
                                let x = load::<V>(input.as_ptr().add(at + col * stride), lanes);
                                let larger = largest.max(x);
                                largest = largest.select_eq(largest, larger, largest);
                            }
                        }
                        store(largest, to.add(pixel * out_stride + channel), lanes);
                    }
                }
            });
        }
    }
    shape.check(items, [input.rows(), input.cols()], [output.rows(), output.cols()]);
    dispatch(Max(shape, items, input, output));
}

/// The gradient of [`max_pool`]'s input, overwriting `gradient`: each window adds its gradient to
/// the first of its largest pixels, in row-major order. A NaN takes no gradient.
///
/// # Panics
/// If the sizes do not fit.
pub fn max_pool_grad(
    shape: &PoolShape,
    items: usize,
    input: MatrixRef<'_>,
    output: MatrixRef<'_>,
    output_grad: MatrixRef<'_>,
    mut gradient: MatrixMut<'_>,
) {
    struct MaxGrad<'a> {
        shape: &'a PoolShape,
        items: usize,
        input: MatrixRef<'a>,
        output: MatrixRef<'a>,
        output_grad: MatrixRef<'a>,
        gradient: MatrixMut<'a>,
    }
    impl Kernel for MaxGrad<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(mut self) {
            let (stride, to) = (self.gradient.stride(), self.gradient.as_mut_ptr());
            let Self { shape, input, output, output_grad, .. } = &self;
            shape.windows(self.items, |pixel, first, [rows, cols]| {
                for (channel, lanes) in vectors::<V>(input.cols()) {
                    let at = |m: &MatrixRef<'_>, row| {
                        m.as_ptr().wrapping_add(row * m.stride() + channel)
                    };
                    // SAFETY: the window's pixels are rows of the input and the gradient, `pixel`
                    // is one of the output and its gradient, and all have these channels.
                    unsafe {
                        let zero = V::splat(0.0);
                        let largest = load::<V>(at(output, pixel), lanes);
                        // What the window has not given away yet.
                        let mut rest = load::<V>(at(output_grad, pixel), lanes);
                        for row in 0..rows {
                            for col in 0..cols {
                                let place = first + row * shape.input[1] + col;
                                let x = load::<V>(at(input, place), lanes);
                                let to = to.add(place * stride + channel);
                                let given = x.select_eq(largest, rest, zero);
                                store(load::<V>(to, lanes).add(given), to, lanes);
                                rest = x.select_eq(largest, zero, rest);
                            }
                        }
                    }
                }
            });
        }
    }
    shape.check(items, [input.rows(), input.cols()], [output.rows(), output.cols()]);
    let outputs = [output_grad.rows(), output_grad.cols()];
    shape.check(items, [gradient.rows(), gradient.cols()], outputs);
    super::fill(gradient.reborrow(), 0.0);
    dispatch(MaxGrad { shape, items, input, output, output_grad, gradient });
}

/// The mean pixel of each window. With `count_padding`, pixels beyond the image count as zeros;
/// without, only the image's pixels count. A window without pixels gives 0.
///
/// The matrices are as for [`max_pool`].
///
/// # Panics
/// If the sizes do not fit.
pub fn average_pool(
    shape: &PoolShape,
    items: usize,
    input: MatrixRef<'_>,
    output: MatrixMut<'_>,
    count_padding: bool,
) {
    struct Average<'a>(&'a PoolShape, usize, MatrixRef<'a>, MatrixMut<'a>, bool);
    impl Kernel for Average<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(mut self) {
            let Self(shape, items, input, output, count_padding) = &mut self;
            let (stride, out_stride, to) = (input.stride(), output.stride(), output.as_mut_ptr());
            shape.windows(*items, |pixel, first, [rows, cols]| {
                let share = share(shape, rows * cols, *count_padding);
                for (channel, lanes) in vectors::<V>(input.cols()) {
                    // SAFETY: as for the largest pixel.
                    unsafe {
                        let mut sum = V::splat(0.0);
                        for row in 0..rows {
                            let at = (first + row * shape.input[1]) * stride + channel;
                            for col in 0..cols {
                                sum = sum.add(load(input.as_ptr().add(at + col * stride), lanes));
                            }
                        }
                        let mean = sum.mul(V::splat(share));
                        store(mean, to.add(pixel * out_stride + channel), lanes);
                    }
                }
            });
        }
    }
    shape.check(items, [input.rows(), input.cols()], [output.rows(), output.cols()]);
    dispatch(Average(shape, items, input, output, count_padding));
}

/// The gradient of [`average_pool`]'s input, overwriting `gradient`.
///
/// # Panics
/// If the sizes do not fit.
pub fn average_pool_grad(
    shape: &PoolShape,
    items: usize,
    output_grad: MatrixRef<'_>,
    mut gradient: MatrixMut<'_>,
    count_padding: bool,
) {
    struct AverageGrad<'a>(&'a PoolShape, usize, MatrixRef<'a>, MatrixMut<'a>, bool);
    impl Kernel for AverageGrad<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(mut self) {
            let Self(shape, items, grad, gradient, count_padding) = &mut self;
            let (stride, to) = (gradient.stride(), gradient.as_mut_ptr());
            shape.windows(*items, |pixel, first, [rows, cols]| {
                let share = share(shape, rows * cols, *count_padding);
                for (channel, lanes) in vectors::<V>(grad.cols()) {
                    // SAFETY: as for the largest pixel.
                    unsafe {
                        let from = grad.as_ptr().add(pixel * grad.stride() + channel);
                        let given = load::<V>(from, lanes).mul(V::splat(share));
                        for row in 0..rows {
                            let at = (first + row * shape.input[1]) * stride + channel;
                            for col in 0..cols {
                                let to = to.add(at + col * stride);
                                store(load::<V>(to, lanes).add(given), to, lanes);
                            }
                        }
                    }
                }
            });
        }
    }
    let outputs = [output_grad.rows(), output_grad.cols()];
    shape.check(items, [gradient.rows(), gradient.cols()], outputs);
    super::fill(gradient.reborrow(), 0.0);
    dispatch(AverageGrad(shape, items, output_grad, gradient, count_padding));
}

/// What one of `pixels` pixels of a window weighs in its mean.
fn share(shape: &PoolShape, pixels: usize, count_padding: bool) -> f32 {
    let count = if count_padding { shape.size[0] * shape.size[1] } else { pixels };
    1.0 / count.max(1) as f32
}

/// The mean of all `pixels` pixels of each image: the input is (items * pixels) x channels, the
/// output items x channels.
///
/// # Panics
/// If the sizes do not fit.
pub fn global_average(items: usize, pixels: usize, input: MatrixRef<'_>, output: MatrixMut<'_>) {
    average_pool(&whole(pixels, input.cols()), items, input, output, true);
}

/// The gradient of [`global_average`]'s input, overwriting `gradient`.
///
/// # Panics
/// If the sizes do not fit.
pub fn global_average_grad(
    items: usize,
    pixels: usize,
    output_grad: MatrixRef<'_>,
    gradient: MatrixMut<'_>,
) {
    average_pool_grad(&whole(pixels, output_grad.cols()), items, output_grad, gradient, true);
}

/// One window over all pixels.
fn whole(pixels: usize, channels: usize) -> PoolShape {
    let size = [pixels, 1];
    let input = [pixels, 1, channels];
    PoolShape { input, size, stride: [1, 1], padding: [0, 0], output: [1, 1] }
}
