//! The gradient of the weights.

use super::super::cascade::{BLOCK, Sums, cascade};
use super::super::conv2d::Conv2dShape;
use super::super::vector::{Kernel, Vector, dispatch, load, store};
use super::super::{MatrixRef, add_slices, with_scratch};
use super::{Axis, Image, check, multiplier, repeated_image};

/// Vectors of channels whose sums are in registers at a time, for up to three taps.
const VECTORS: usize = 2;

/// Adds to each weight's gradient the sum, over one image, of the pixels that it met times the
/// gradients of their outputs.
struct WeightGrad<'a> {
    input: Image<*const f32>,
    grads: Image<*const f32>,
    axes: [Axis; 2],
    channels: usize,
    gradient: &'a mut [f32],
}

impl Kernel for WeightGrad<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(mut self) {
        let kernel = self.axes.map(|axis| axis.kernel);
        for row in 0..kernel[0] {
            let mut channel = 0;
            while channel < self.channels {
                let lanes = V::LANES.min(self.channels - channel);
                // SAFETY: as the caller states; the channels exist.
                unsafe {
                    if channel + VECTORS * V::LANES <= self.channels {
                        self.row_of_taps::<V, VECTORS>(row, channel, V::LANES);
                        channel += VECTORS * V::LANES;
                    } else {
                        self.row_of_taps::<V, 1>(row, channel, lanes);
                        channel += lanes;
                    }
                }
            }
        }
    }
}

impl WeightGrad<'_> {
    /// Adds the sums of a row of taps, in `N` vectors of channels, the last with so many lanes.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`, and the channels must exist.
    #[inline(always)]
    unsafe fn row_of_taps<V: Vector, const N: usize>(
        &mut self,
        row: usize,
        channel: usize,
        lanes: usize,
    ) {
        let width = self.axes[1].kernel;
        let mut column = 0;
        while column < width {
            // SAFETY: as the caller states.
            unsafe {
                match width - column {
                    1 => self.taps::<V, N, 1>([row, column], channel, lanes),
                    2 => self.taps::<V, N, 2>([row, column], channel, lanes),
                    _ => self.taps::<V, N, 3>([row, column], channel, lanes),
                }
            }
            column += 3;
        }
    }

    /// Adds the sums of `TAPS` taps that are neighbours in a row, in `N` vectors of channels, the last with so many lanes.
    ///
    /// # Safety
    /// The machine must have the instructions of `V`, and the channels and taps must exist.
    #[inline(always)]
    unsafe fn taps<V: Vector, const N: usize, const TAPS: usize>(
        &mut self,
        [ky, kx]: [usize; 2],
        channel: usize,
        lanes: usize,
    ) {
        let Self { input, grads, axes: [down, across], .. } = *self;
        let rows = down.outputs(ky);
        let columns: [_; TAPS] = std::array::from_fn(|tap| across.outputs(kx + tap));
        // From here to there all taps meet pixels of the input.
        let start = columns.iter().map(|columns| columns.start).max().unwrap_or(0);
        let end = columns.iter().map(|columns| columns.end).min().unwrap_or(0).max(start);
        let pixels = input.start.wrapping_add(channel);
        // SAFETY: the channels exist, and the outputs' taps meet pixels of the input.
        unsafe {
            let zero = [[V::splat(0.0); N]; TAPS];
            let sums = cascade!(rows.len(), zero, |row, block| {
                let row = rows.start + row;
                let y = row * down.stride + ky * down.dilation - down.padding;
                let pixels = pixels.wrapping_add(y * input.width * input.step);
                let grads_at = grads.start.wrapping_add(row * grads.width * grads.step + channel);
                let mut of_row = zero;
                macro_rules! add_column {
                    ($sums:ident, $column:ident, $tap:ident, $grads:ident) => {
                        let offset = $column * across.stride + (kx + $tap) * across.dilation;
                        let pixel = pixels.add((offset - across.padding) * input.step);
                        for (vector, sum) in $sums.iter_mut().enumerate() {
                            let number: V = load(pixel.add(vector * V::LANES), lanes);
                            *sum = number.mul_add($grads[vector], *sum);
                        }
                    };
                }
                macro_rules! grads_of {
                    ($column:ident) => {{
                        let from = grads_at.add($column * grads.step);
                        let mut grads = zero[0];
                        for (vector, grad) in grads.iter_mut().enumerate() {
                            *grad = load(from.add(vector * V::LANES), lanes);
                        }
                        grads
                    }};
                }
                for (tap, sums) in of_row.iter_mut().enumerate() {
                    for column in columns[tap].start..columns[tap].end.min(start) {
                        let grads = grads_of!(column);
                        add_column!(sums, column, tap, grads);
                    }
                }
                for column in start..end {
                    let grads = grads_of!(column);
                    for (tap, sums) in of_row.iter_mut().enumerate() {
                        add_column!(sums, column, tap, grads);
                    }
                }
                for (tap, sums) in of_row.iter_mut().enumerate() {
                    for column in columns[tap].start.max(end)..columns[tap].end {
                        let grads = grads_of!(column);
                        add_column!(sums, column, tap, grads);
                    }
                }
                block = block.join(of_row);
            });
            for (tap, sums) in sums.into_iter().enumerate() {
                let tap = ky * across.kernel + kx + tap;
                let to = self.gradient.as_mut_ptr().add(tap * self.channels + channel);
                for (vector, sum) in sums.into_iter().enumerate() {
                    let to = to.add(vector * V::LANES);
                    store(sum.add(load(to, lanes)), to, lanes);
                }
            }
        }
    }
}

/// The gradient of the weights of [`depthwise_conv2d`](super::depthwise_conv2d), summed over the items, overwriting `gradient`.
///
/// # Panics
/// If the sizes do not fit the shape.
pub(crate) fn depthwise_conv2d_weight_grad(
    shape: &Conv2dShape,
    items: usize,
    input: MatrixRef<'_>,
    output_grad: MatrixRef<'_>,
    gradient: &mut [f32],
) {
    let sizes = [[input.rows(), input.cols()], [output_grad.rows(), output_grad.cols()]];
    check(shape, items, sizes[0], sizes[1], gradient.len());
    let times = multiplier(shape);
    let [pixels, outputs] = [shape.input[0] * shape.input[1], shape.output[0] * shape.output[1]];
    gradient.fill(0.0);
    let scratch = if times == 1 { 0 } else { pixels * shape.filters };
    with_scratch(scratch + gradient.len(), |scratch| {
        let (block, repeated) = scratch.split_at_mut(gradient.len());
        for item in 0..items {
            if item % BLOCK == 0 {
                block.fill(0.0);
            }
            let image = input.slice_rows(item * pixels..(item + 1) * pixels);
            let grads = output_grad.slice_rows(item * outputs..(item + 1) * outputs);
            dispatch(WeightGrad {
                input: repeated_image(image, shape.input[1], times, repeated),
                grads: Image {
                    start: grads.as_ptr(),
                    width: shape.output[1],
                    step: grads.stride(),
                },
                axes: [0, 1].map(|axis| Axis::new(shape, axis)),
                channels: shape.filters,
                gradient: block,
            });
            if item % BLOCK == BLOCK - 1 || item + 1 == items {
                add_slices(gradient, block);
            }
        }
    });
}
