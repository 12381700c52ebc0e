//! Convolution of every channel on its own.
//!
//! An output channel sees one input channel, so nothing is summed over channels: vectors go along
//! them, and each sum walks through the taps of the window that lie inside the image. With several
//! outputs a channel, images are worked on with every channel repeated as often.

mod weight_grad;

use std::ops::Range;

use super::conv2d::{Conv2dShape, greatest_divisor};
use super::vector::{Kernel, Vector, dispatch, load, store};
use super::{MatrixMut, MatrixRef, with_scratch};

pub(crate) use weight_grad::depthwise_conv2d_weight_grad;

/// Places along an axis whose taps are worked out at a time.
const PLACES: usize = 64;

/// Vectors of channels whose sums are in registers at a time.
const TILE: usize = 4;

/// The taps that one place of an axis sums over: `count` taps from `tap` on every `tap_step`, meeting
/// places of the other image from `place` on every `place_step`.
#[derive(Clone, Copy, Default)]
struct Taps {
    count: usize,
    tap: usize,
    tap_step: usize,
    place: usize,
    place_step: isize,
}

/// One axis of the convolution.
#[derive(Clone, Copy)]
struct Axis {
    input: usize,
    output: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    padding: usize,
}

impl Axis {
    fn new(shape: &Conv2dShape, axis: usize) -> Self {
        Self {
            input: shape.input[axis],
            output: shape.output[axis],
            kernel: shape.kernel[axis],
            stride: shape.stride[axis],
            dilation: shape.dilation[axis],
            padding: shape.padding[axis],
        }
    }

    /// The taps of output `place` that meet the input image.
    fn forward(&self, place: usize) -> Taps {
        let start = place * self.stride;
        let tap = self.padding.saturating_sub(start).div_ceil(self.dilation);
        let end = (self.input + self.padding).saturating_sub(start).div_ceil(self.dilation);
        Taps {
            count: end.min(self.kernel).saturating_sub(tap),
            tap,
            tap_step: 1,
            place: (start + tap * self.dilation).saturating_sub(self.padding),
            place_step: self.dilation.cast_signed(),
        }
    }

    /// The taps by which input `place` is met from the output image.
    fn backward(&self, place: usize) -> Taps {
        let reach = place + self.padding;
        let meets = |tap: &usize| {
            reach.checked_sub(tap * self.dilation).is_some_and(|from| {
                from.is_multiple_of(self.stride) && from / self.stride < self.output
            })
        };
        // The next tap that does is a number of strides further on.
        let step = self.stride / greatest_divisor(self.stride, self.dilation);
        let Some(tap) = (0..self.kernel).find(meets) else { return Taps::default() };
        let most = (self.kernel - 1).min(reach / self.dilation);
        Taps {
            count: (most - tap) / step + 1,
            tap,
            tap_step: step,
            place: (reach - tap * self.dilation) / self.stride,
            place_step: -((step * self.dilation / self.stride).cast_signed()),
        }
    }

    /// The outputs whose tap number `tap` meets the input image.
    fn outputs(&self, tap: usize) -> Range<usize> {
        let offset = tap * self.dilation;
        let start = self.padding.saturating_sub(offset).div_ceil(self.stride);
        let end = (self.input + self.padding).saturating_sub(offset).div_ceil(self.stride);
        let end = end.min(self.output);
        start.min(end)..end
    }
}

/// An image of one item: its rows of pixels, and floats from one pixel to the next.
#[derive(Clone, Copy)]
struct Image<P> {
    start: P,
    width: usize,
    step: usize,
}

/// Every pixel of `to` is the bias plus the sum over its taps of pixels of `from` times weights.
struct Gather<'a> {
    from: Image<*const f32>,
    to: Image<*mut f32>,
    /// Rows of `to`, and the taps of each of its places along both axes.
    height: usize,
    taps: [&'a dyn Fn(usize) -> Taps; 2],
    kernel_width: usize,
    weights: &'a [f32],
    bias: Option<&'a [f32]>,
    channels: usize,
}

impl Kernel for Gather<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { from, to, channels, .. } = self;
        for first in (0..to.width).step_by(PLACES) {
            let columns = first..to.width.min(first + PLACES);
            let mut across = [Taps::default(); PLACES];
            for (taps, column) in across.iter_mut().zip(columns.clone()) {
                *taps = self.taps[1](column);
            }
            for row in 0..self.height {
                let down = self.taps[0](row);
                for (column, across) in columns.clone().zip(&across) {
                    let pixel = to.start.wrapping_add((row * to.width + column) * to.step);
                    let mut channel = 0;
                    while channel < channels {
                        let place = [down, *across];
                        let lanes = V::LANES.min(channels - channel);
                        // SAFETY: these channels are within the pixels and the weights, and taps meet
                        // pixels of `from` only.
                        unsafe {
                            if channel + TILE * V::LANES <= channels {
                                self.sums::<V, TILE>(from, pixel, place, channel, lanes);
                                channel += TILE * V::LANES;
                            } else {
                                self.sums::<V, 1>(from, pixel, place, channel, lanes);
                                channel += lanes;
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Gather<'_> {
    /// The sums of one pixel in `N` vectors of channels, the last with so many lanes.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`; the channels must exist, and the taps must meet
    /// pixels of `from`.
    #[inline(always)]
    unsafe fn sums<V: Vector, const N: usize>(
        &self,
        from: Image<*const f32>,
        to: *mut f32,
        [down, across]: [Taps; 2],
        channel: usize,
        lanes: usize,
    ) {
        // SAFETY: as the caller states.
        unsafe {
            let mut sums: [V; N] = std::array::from_fn(|vector| match self.bias {
                Some(bias) => load(bias.as_ptr().add(channel + vector * V::LANES), lanes),
                None => V::splat(0.0),
            });
            for i in 0..down.count {
                let row = down.place.wrapping_add_signed(i.cast_signed() * down.place_step);
                let tap_row = (down.tap + i * down.tap_step) * self.kernel_width;
                for j in 0..across.count {
                    let column =
                        across.place.wrapping_add_signed(j.cast_signed() * across.place_step);
                    let tap = tap_row + across.tap + j * across.tap_step;
                    let pixel = from.start.add((row * from.width + column) * from.step + channel);
                    let weights = self.weights.as_ptr().add(tap * self.channels + channel);
                    for (vector, sum) in sums.iter_mut().enumerate() {
                        let weight: V = load(weights.add(vector * V::LANES), lanes);
                        let number: V = load(pixel.add(vector * V::LANES), lanes);
                        *sum = number.mul_add(weight, *sum);
                    }
                }
            }
            for (vector, sum) in sums.into_iter().enumerate() {
                store(sum, to.add(channel + vector * V::LANES), lanes);
            }
        }
    }
}

/// How often each channel is repeated: outputs a channel.
fn multiplier(shape: &Conv2dShape) -> usize {
    let channels = shape.input[2];
    assert!(
        channels > 0 && shape.filters.is_multiple_of(channels),
        "as many filters for each channel of {shape:?}"
    );
    shape.filters / channels
}

fn check(shape: &Conv2dShape, items: usize, input: [usize; 2], output: [usize; 2], weights: usize) {
    let ([height, width, channels], [rows, cols]) = (shape.input, shape.output);
    assert_eq!(input, [items * height * width, channels], "input of {items} times {shape:?}");
    assert_eq!(output, [items * rows * cols, shape.filters], "output of {items} times {shape:?}");
    assert_eq!(weights, shape.kernel[0] * shape.kernel[1] * shape.filters, "weights of {shape:?}");
    for axis in 0..2 {
        let (stride, dilation) = (shape.stride[axis], shape.dilation[axis]);
        assert!(stride > 0 && dilation > 0, "stride and dilation of {shape:?}");
    }
}

/// Convolves every channel of `items` images with windows of its own, overwriting `output`. Images are
/// matrices with one row per pixel. Output channel `c * m + j` is that of input channel `c` and its
/// window number `j` of `m`; row `ky * kernel width + kx` of `weights` has a number for each output
/// channel.
///
/// # Panics
/// If the sizes do not fit the shape.
pub(crate) fn depthwise_conv2d(
    shape: &Conv2dShape,
    items: usize,
    input: MatrixRef<'_>,
    weights: &[f32],
    bias: &[f32],
    mut output: MatrixMut<'_>,
) {
    let sizes = [[input.rows(), input.cols()], [output.rows(), output.cols()]];
    check(shape, items, sizes[0], sizes[1], weights.len());
    assert_eq!(bias.len(), shape.filters, "bias of {shape:?}");
    let (times, axes) = (multiplier(shape), [0, 1].map(|axis| Axis::new(shape, axis)));
    let pixels = shape.input[0] * shape.input[1];
    let scratch = if times == 1 { 0 } else { pixels * shape.filters };
    let step = output.stride();
    with_scratch(scratch, |repeated| {
        for item in 0..items {
            let image = input.slice_rows(item * pixels..(item + 1) * pixels);
            let from = repeated_image(image, shape.input[1], times, repeated);
            let to =
                output.as_mut_ptr().wrapping_add(item * shape.output[0] * shape.output[1] * step);
            dispatch(Gather {
                from,
                to: Image { start: to, width: shape.output[1], step },
                height: shape.output[0],
                taps: [&|row| axes[0].forward(row), &|column| axes[1].forward(column)],
                kernel_width: shape.kernel[1],
                weights,
                bias: Some(bias),
                channels: shape.filters,
            });
        }
    });
}

/// The image with every channel `times` times: itself, for once.
fn repeated_image(
    image: MatrixRef<'_>,
    width: usize,
    times: usize,
    repeated: &mut [f32],
) -> Image<*const f32> {
    if times == 1 {
        return Image { start: image.as_ptr(), width, step: image.stride() };
    }
    let step = image.cols() * times;
    for (row, to) in repeated.chunks_exact_mut(step).enumerate() {
        for (number, to) in image.row(row).iter().zip(to.chunks_exact_mut(times)) {
            to.fill(*number);
        }
    }
    Image { start: repeated.as_ptr(), width, step }
}

/// The gradient of the input of [`depthwise_conv2d`], overwriting `gradient`.
///
/// # Panics
/// If the sizes do not fit the shape.
pub(crate) fn depthwise_conv2d_input_grad(
    shape: &Conv2dShape,
    items: usize,
    output_grad: MatrixRef<'_>,
    weights: &[f32],
    mut gradient: MatrixMut<'_>,
) {
    let sizes = [[gradient.rows(), gradient.cols()], [output_grad.rows(), output_grad.cols()]];
    check(shape, items, sizes[0], sizes[1], weights.len());
    let (times, axes) = (multiplier(shape), [0, 1].map(|axis| Axis::new(shape, axis)));
    let [pixels, outputs] = [shape.input[0] * shape.input[1], shape.output[0] * shape.output[1]];
    let scratch = if times == 1 { 0 } else { pixels * shape.filters };
    with_scratch(scratch, |repeated| {
        for item in 0..items {
            let grads = output_grad.slice_rows(item * outputs..(item + 1) * outputs);
            let mut to = gradient.reborrow().slice_rows(item * pixels..(item + 1) * pixels);
            let (start, step) = if times == 1 {
                (to.as_mut_ptr(), to.stride())
            } else {
                (repeated.as_mut_ptr(), shape.filters)
            };
            dispatch(Gather {
                from: Image { start: grads.as_ptr(), width: shape.output[1], step: grads.stride() },
                to: Image { start, width: shape.input[1], step },
                height: shape.input[0],
                taps: [&|row| axes[0].backward(row), &|column| axes[1].backward(column)],
                kernel_width: shape.kernel[1],
                weights,
                bias: None,
                channels: shape.filters,
            });
            if times > 1 {
                for (row, from) in repeated.chunks_exact(shape.filters).enumerate() {
                    let channels = to.row_mut(row).iter_mut().zip(from.chunks_exact(times));
                    channels.for_each(|(sum, from)| *sum = from.iter().sum());
                }
            }
        }
    });
}
