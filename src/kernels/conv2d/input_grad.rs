//! The gradient of the input: a convolution of the output's gradient with the kernel turned round.
//!
//! With strides, input pixels differ in the taps that reach them: those that lie `stride` apart have
//! the same ones and form a phase. Each phase is a pass of its own, with its own part of the weights.

use super::super::panels::{Panels, panel_columns, panel_len, panel_width};
use super::super::transpose::transpose;
use super::super::{MatrixMut, MatrixRef, product};
use super::Conv2dShape;
use super::frame::{Frame, Frames};
use super::pass::Pass;

/// One axis of a phase: `taps` taps of the kernel, from `phase` on every `stride`, reach the `count`
/// input pixels from `pixel` on every `stride`; tap `phase` of the first comes from output `output`.
#[derive(Clone, Copy)]
struct Axis {
    phase: usize,
    taps: usize,
    pixel: usize,
    count: usize,
    output: usize,
}

impl Axis {
    fn new(shape: &Conv2dShape, axis: usize, phase: usize) -> Self {
        let (stride, padding) = (shape.stride[axis], shape.padding[axis]);
        let pixel = (phase + stride - padding % stride) % stride;
        Self {
            phase,
            taps: shape.kernel[axis].saturating_sub(phase).div_ceil(stride),
            pixel,
            count: shape.input[axis].saturating_sub(pixel).div_ceil(stride),
            output: (pixel + padding) / stride,
        }
    }

    /// The tap of the kernel that is number `turned` of the phase's taps turned round.
    fn tap(&self, stride: usize, turned: usize) -> usize {
        self.phase + stride * (self.taps - 1 - turned)
    }
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
        let before = |a: Axis| (a.taps.max(1) - 1).saturating_sub(a.output);
        let origin = axes().map(before).max().unwrap_or(0);
        let size = axes().map(|a| a.output + a.count + origin).max().unwrap_or(0);
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
pub fn conv2d_prepared_len(shape: &Conv2dShape) -> usize {
    panel_len(shape.kernel[0] * shape.kernel[1] * shape.filters, shape.input[2])
}

/// Writes the weights in the form that [`conv2d_input_grad`] reads.
///
/// # Panics
/// If the sizes do not fit the shape.
pub fn conv2d_prepare(shape: &Conv2dShape, weights: Panels<'_>, prepared: &mut [f32]) {
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
            let ky = down.tap(shape.stride[0], turned / right.taps);
            let kx = right.tap(shape.stride[1], turned % right.taps);
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
/// as [`conv2d_prepare`] writes them, overwriting `gradient`. The matrices are as there.
///
/// # Panics
/// If the sizes do not fit the shape.
pub fn conv2d_input_grad(
    shape: &Conv2dShape,
    items: usize,
    output_grad: MatrixRef<'_>,
    prepared: &[f32],
    mut gradient: MatrixMut<'_>,
) {
    shape.check_input(items, &gradient.as_ref());
    shape.check_output(items, &output_grad);
    assert_eq!(prepared.len(), conv2d_prepared_len(shape), "prepared weights of {shape:?}");
    let ([height, width, channels], filters) = (shape.input, shape.filters);
    if shape.is_product() {
        return product(output_grad, Panels::new(prepared, filters, channels), None, gradient);
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
                    frame.origin[axis] + axes[axis].output - (taps[axis].max(1) - 1)
                }),
                stride: [1, 1],
                // Without taps along one axis there are none at all, and the gradient is zero.
                taps: if taps[0] * taps[1] == 0 { [0, 0] } else { taps },
                weights: Panels::new(weights, taps[0] * taps[1] * filters, channels),
                bias: None,
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
