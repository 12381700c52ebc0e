//! The gradient of the weights: sums over all pixels of all images.

use std::ops::Range;

use super::super::padding::pad_rows;
use super::super::panels::{panel_columns, panel_len, panel_rows, panel_width};
use super::super::tile::{Start, Tile, Tiles, Walk};
use super::super::{MatrixRef, weight_gradient, with_scratch};
use super::Conv2dShape;
use super::frame::Frame;

/// Floats of images that are worked on together: with their output gradients, they fit the
/// second-level cache.
const GROUP: usize = 48 * 1024;

/// The gradient of the weights of [`conv2d`](super::conv2d), summed over the items, overwriting
/// `gradient`, which is in the layout of panels. Padding becomes 0.
///
/// # Panics
/// If the sizes do not fit the shape.
pub fn conv2d_weight_grad(
    shape: &Conv2dShape,
    items: usize,
    input: MatrixRef<'_>,
    output_grad: MatrixRef<'_>,
    gradient: &mut [f32],
) {
    shape.check_input(items, &input);
    shape.check_output(items, &output_grad);
    let (rows, filters) = shape.weights();
    assert_eq!(gradient.len(), panel_len(rows, filters), "gradient of the weights of {shape:?}");
    if shape.is_product() {
        return weight_gradient(input, output_grad, 0..panel_rows(rows, filters), gradient);
    }
    if items == 0 || output_grad.rows() == 0 {
        return gradient.fill(0.0);
    }
    let needed = Frame::of_input(shape);
    let in_place = needed.in_place(&input).filter(|_| input.contiguous().is_some());
    let frame = in_place.unwrap_or(needed);
    let [pixels, output_pixels] =
        [shape.input[0] * shape.input[1], shape.output[0] * shape.output[1]];
    let group = (GROUP / frame.len().max(1)).clamp(1, items);
    let padded = if filters % 16 == 0 { 0 } else { filters.next_multiple_of(16) };
    let copied = if in_place.is_some() { 0 } else { group * frame.len() };
    with_scratch(copied + group * output_pixels * padded, |scratch| {
        let (frames, padded_grads) = scratch.split_at_mut(copied);
        frames.fill(0.0);
        for first in (0..items).step_by(group) {
            let group = first..items.min(first + group);
            let grads =
                output_grad.slice_rows(group.start * output_pixels..group.end * output_pixels);
            let grads = if padded == 0 { grads } else { pad_rows(grads, padded, padded_grads) };
            let images = if let (Some(frame), Some(images)) = (in_place, input.contiguous()) {
                &images[group.start * frame.len()..]
            } else {
                for (item, to) in group.clone().zip(frames.chunks_exact_mut(frame.len())) {
                    needed.fill(input.slice_rows(item * pixels..(item + 1) * pixels), to);
                }
                &*frames
            };
            accumulate(shape, &frame, group, images, grads, gradient);
        }
    });
}

/// Adds the products of a group of images, of which the first starts the sums.
fn accumulate(
    shape: &Conv2dShape,
    frame: &Frame,
    group: Range<usize>,
    images: &[f32],
    grads: MatrixRef<'_>,
    gradient: &mut [f32],
) {
    let [[height, width], [down, right]] = [shape.output, shape.stride];
    let (rows, filters) = shape.weights();
    let line = shape.kernel[1] * frame.channels;
    assert!(
        images.len() >= group.len() * frame.len() && grads.rows() == group.len() * height * width
    );
    let tiles = Tiles::current();
    let start = if group.start > 0 { Start::Output } else { Start::Zero };
    for panel in 0..filters.div_ceil(super::super::PANEL) {
        let (columns, panel_width) = (panel_columns(filters, panel), panel_width(filters, panel));
        assert!(columns.start + panel_width <= grads.cols(), "padded columns");
        let to = &mut gradient[columns.start * rows..][..rows * panel_width];
        let to = to.as_mut_ptr();
        for ky in 0..shape.kernel[0] {
            // Output rows whose tap in this row of the kernel meets zeros only are left out.
            let filled = frame.rows();
            let end = filled.end.saturating_sub(ky).div_ceil(down).min(height);
            let first = filled.start.saturating_sub(ky).div_ceil(down).min(end);
            let a = images.as_ptr().wrapping_add((first * down + ky) * frame.pitch());
            let mut tile = Tile {
                a,
                a_rows: std::array::from_fn(|row| row),
                b: grads.as_ptr().wrapping_add(first * width * grads.stride() + columns.start),
                walk: Walk {
                    outer: group.len(),
                    a_outer: frame.len(),
                    b_outer: height * width * grads.stride(),
                    segments: end - first,
                    a_segment: down * frame.pitch(),
                    b_segment: width * grads.stride(),
                    len: width,
                    a_step: right * frame.channels,
                    b_step: grads.stride(),
                },
                c: to,
                c_rows: std::array::from_fn(|row| row * panel_width),
                columns: panel_width,
                start,
            };
            tiles.heights(0..line, |part| {
                tile.a = a.wrapping_add(part.start);
                tile.c = to.wrapping_add((ky * line + part.start) * panel_width);
                // SAFETY: the taps of all output pixels lie within the frames, as the frame's size
                // says; the gradients have a row for each output pixel, of at least these columns;
                // `to` has a row for each tap and channel.
                unsafe { tiles.run(&mut tile, part.len(), panel_width) };
            });
        }
    }
}
