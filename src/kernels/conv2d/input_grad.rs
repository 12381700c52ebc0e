//! The gradient of the input: a convolution of the output's gradient with the kernel turned round.
//!
//! With strides, input pixels differ in the taps that reach them: those that lie `stride` apart have
//! the same ones and form a phase. Each phase is a pass of its own, with its own part of the weights.
//! With dilation too, the taps of a phase are some taps apart, and so are the outputs that they come
//! from; a phase may have no tap at all.

use super::super::panels::{Panels, panel_columns, panel_len, panel_width};
use super::super::transpose::transpose;
use super::super::{MatrixMut, MatrixRef, product};
use super::Conv2dShape;
use super::frame::{Frame, Frames};
use super::pass::Pass;

/// One axis of a phase: `taps` taps of the kernel, from `first` on every `tap_step`, reach the `count`
/// input pixels from `pixel` on every `stride`. Tap `first` of the first pixel comes from output
/// `output`, which may lie before the image, and each further tap from `apart` outputs before.
#[derive(Clone, Copy)]
struct Axis {
    first: usize,
    tap_step: usize,
    taps: usize,
    pixel: usize,
    count: usize,
    output: isize,
    apart: usize,
}

impl Axis {
    fn new(shape: &Conv2dShape, axis: usize, phase: usize) -> Self {
        let (stride, padding) = (shape.stride[axis], shape.padding[axis]);
        let (kernel, dilation) = (shape.kernel[axis], shape.dilation[axis]);
        let pixel = (phase + stride - padding % stride) % stride;
        let tap_step = stride / greatest_divisor(stride, dilation);
        // Taps that lie a number of strides apart reach the same pixels.
        let reaches = |tap: &usize| tap * dilation % stride == phase;
        let first = (0..tap_step.min(kernel)).find(reaches);
        let offset = (first.unwrap_or(0) * dilation).cast_signed();
        Self {
            first: first.unwrap_or(0),
            tap_step,
            taps: first.map_or(0, |first| (kernel - first).div_ceil(tap_step)),
            pixel,
            count: shape.input[axis].saturating_sub(pixel).div_ceil(stride),
            output: ((pixel + padding).cast_signed() - offset).div_euclid(stride.cast_signed()),
            apart: tap_step * dilation / stride,
        }
    }

    /// The tap of the kernel that is number `turned` of the phase's taps turned round.
    fn tap(&self, turned: usize) -> usize {
        self.first + self.tap_step * (self.taps - 1 - turned)
    }

    /// Outputs from the one that the last tap comes from to the one that the first comes from.
    fn reach(&self) -> usize {
        (self.taps.max(1) - 1) * self.apart
    }
}

/// The greatest number that divides both.
pub(in crate::kernels) fn greatest_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_divisor(b, a % b) }
}

fn phases(shape: &Conv2dShape) -> impl Iterator<Item = [Axis; 2]> {
    let [down, right] = shape.stride;
    (0..down * right)
        .map(move |phase| [Axis::new(shape, 0, phase / right), Axis::new(shape, 1, phase % right)])
}

/// What all phases together read of an output image.
fn frame_of_output(shape: &Conv2dShape) -> Frame {
    let axis = |axis: usize| {
        let axes = || (0..shape.stride[axis]).map(|phase| Axis::new(shape, axis, phase));
        let before = |a: Axis| (a.reach().cast_signed() - a.output).max(0).unsigned_abs();
        let origin = axes().map(before).max().unwrap_or(0);
        let end = |a: Axis| (origin + a.count).saturating_add_signed(a.output);
        let size = axes().map(end).max().unwrap_or(0);
        (origin, size)
    };
    let [(top, height), (left, width)] = [axis(0), axis(1)];
    Frame {
        size: [height, width],
        origin: [top, left],
        image: shape.output,
        channels: shape.filters,
    }
}

/// How many floats [`conv2d_prepare`] writes.
pub(crate) fn conv2d_prepared_len(shape: &Conv2dShape) -> usize {
    panel_len(shape.kernel[0] * shape.kernel[1] * shape.filters, shape.input[2])
}

/// Writes the weights in the form that [`conv2d_input_grad`] reads.
///
/// # Panics
/// If the sizes do not fit the shape.
pub(crate) fn conv2d_prepare(shape: &Conv2dShape, weights: Panels<'_>, prepared: &mut [f32]) {
    assert_eq!((weights.rows(), weights.cols()), shape.weights(), "weights of {shape:?}");
    assert_eq!(prepared.len(), conv2d_prepared_len(shape), "prepared weights of {shape:?}");
    let (channels, filters) = (shape.input[2], shape.filters);
    if channels % 16 != 0 {
        prepared.fill(0.0);
    }
    let mut rest = prepared;
    for [down, right] in phases(shape) {
        let taps = down.taps * right.taps;
        let (part, tail) = rest.split_at_mut(panel_len(taps * filters, channels));
        rest = tail;
        for turned in 0..taps {
            let ky = down.tap(turned / right.taps);
            let kx = right.tap(turned % right.taps);
            let row = (ky * shape.kernel[1] + kx) * channels;
            turn_tap(weights, row, channels, part, turned, taps);
        }
    }
}

/// Transposes the `channels` rows from `row` on of the weights into rows of tap `turned`.
fn turn_tap(
    weights: Panels<'_>,
    row: usize,
    channels: usize,
    prepared: &mut [f32],
    turned: usize,
    taps: usize,
) {
    let filters = weights.cols();
    for to_panel in 0..channels.div_ceil(super::super::PANEL) {
        let (ours, to_width) = (panel_columns(channels, to_panel), panel_width(channels, to_panel));
        for panel in 0..weights.count() {
            let (theirs, width) = (panel_columns(filters, panel), panel_width(filters, panel));
            let from = &weights.panel(panel)[(row + ours.start) * width..][..ours.len() * width];
            let to = ours.start * taps * filters + (turned * filters + theirs.start) * to_width;
            let to = &mut prepared[to..][..theirs.len() * to_width];
            // SAFETY: the slices hold as many rows of `width` and `to_width` floats.
            unsafe {
                let (rows, cols) = (ours.len(), theirs.len());
                transpose(from.as_ptr(), width, rows, cols, to.as_mut_ptr(), to_width);
            }
        }
    }
}

/// The gradient of the input of [`conv2d`](super::conv2d), given that of its output and the weights
/// as [`conv2d_prepare`] writes them, plus the bias, a number for each channel, overwriting `gradient`.
/// The matrices are as there.
///
/// # Panics
/// If the sizes do not fit the shape.
pub(crate) fn conv2d_input_grad(
    shape: &Conv2dShape,
    items: usize,
    output_grad: MatrixRef<'_>,
    prepared: &[f32],
    bias: Option<&[f32]>,
    mut gradient: MatrixMut<'_>,
) {
    shape.check_input(items, &gradient.as_ref());
    shape.check_output(items, &output_grad);
    assert_eq!(prepared.len(), conv2d_prepared_len(shape), "prepared weights of {shape:?}");
    let ([height, width, channels], filters) = (shape.input, shape.filters);
    if shape.is_product() {
        return product(output_grad, Panels::new(prepared, filters, channels), bias, gradient);
    }
    if let Some(bias) = bias {
        assert_eq!(bias.len(), channels, "bias of {shape:?}");
    }
    let step = gradient.stride();
    let frames = Frames::new(frame_of_output(shape), output_grad);
    let (frame, pixels) = (frames.frame, height * width);
    frames.each_group(items, |group, frames| {
        let rows = group.start * pixels..group.end * pixels;
        let mut to = gradient.reborrow().slice_rows(rows);
        let mut rest = prepared;
        for axes in phases(shape) {
            let [down, right] = axes;
            let taps = [down.taps, right.taps];
            let (weights, tail) = rest.split_at(panel_len(taps[0] * taps[1] * filters, channels));
            rest = tail;
            let pass = Pass {
                frame,
                first: std::array::from_fn(|axis| {
                    let origin = frame.origin[axis].saturating_add_signed(axes[axis].output);
                    origin - axes[axis].reach()
                }),
                stride: [1, 1],
                dilation: [down.apart, right.apart],
                // Without taps along one axis there are none at all, and the gradient is zero.
                taps: if taps[0] * taps[1] == 0 { [0, 0] } else { taps },
                weights: Panels::new(weights, taps[0] * taps[1] * filters, channels),
                bias,
                output: [down.count, right.count],
                output_steps: [
                    pixels * step,
                    shape.stride[0] * width * step,
                    shape.stride[1] * step,
                ],
            };
            let first = (down.pixel * width + right.pixel) * step;
            // SAFETY: the pixels of this phase are among these rows, which are exclusive.
            unsafe { pass.run(group.len(), frames, to.as_mut_ptr().wrapping_add(first)) };
        }
    });
}
