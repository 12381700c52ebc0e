//! The gradient of the weights.

use super::super::cascade::{BLOCK, sum_vectors};
use super::super::conv2d::Conv2dShape;
use super::super::vector::{Kernel, Vector, dispatch, load, store};
use super::super::{MatrixRef, add_slices, with_scratch};
use super::{Axis, Image, check, multiplier, repeated_image};

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
    unsafe fn run<V: Vector>(self) {
        let Self { input, grads, axes: [down, across], channels, gradient } = self;
        for tap in 0..down.kernel * across.kernel {
            let (ky, kx) = (tap / across.kernel, tap % across.kernel);
            let (rows, columns) = (down.outputs(ky), across.outputs(kx));
            for channel in (0..channels).step_by(V::LANES) {
                let lanes = V::LANES.min(channels - channel);
                // SAFETY: the channels exist, and the outputs' taps meet pixels of the input.
                unsafe {
                    let to = gradient.as_mut_ptr().add(tap * channels + channel);
                    let sum: V = sum_vectors!(rows.len(), |row, sum| {
                        let row = rows.start + row;
                        let y = row * down.stride + ky * down.dilation - down.padding;
                        let mut of_row = V::splat(0.0);
                        for column in columns.clone() {
                            let x = column * across.stride + kx * across.dilation - across.padding;
                            let pixel = (y * input.width + x) * input.step + channel;
                            let grad = (row * grads.width + column) * grads.step + channel;
                            let number: V = load(input.start.add(pixel), lanes);
                            of_row = number.mul_add(load(grads.start.add(grad), lanes), of_row);
                        }
                        sum.add(of_row)
                    });
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
