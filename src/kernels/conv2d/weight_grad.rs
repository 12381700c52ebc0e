//! The gradient of the weights: sums over all pixels of all images.

use std::ops::Range;

use super::super::padding::pad_rows;
use super::super::panels::{panel_columns, panel_len, panel_rows, panel_width};
use super::super::product::blocks;
use super::super::tile::{Ahead, Rows, Start, Tile, Tiles, Walk};
use super::super::weight_gradient::STEPS;
use super::super::{MatrixRef, weight_gradient, with_scratch};
use super::Conv2dShape;
use super::frame::{Frame, Frames};

/// The gradient of the weights of [`conv2d`](super::conv2d), summed over the items, overwriting
/// `gradient`, which is in the layout of panels. Padding becomes 0.
///
/// # Panics
/// If the sizes do not fit the shape.
pub(crate) fn conv2d_weight_grad(
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
        let pair = [input, output_grad];
        return weight_gradient(1, |_| pair, 0..panel_rows(rows, filters), &[], gradient);
    }
    if items == 0 || output_grad.rows() == 0 {
        return gradient.fill(0.0);
    }
    let frames = Frames::new(Frame::of_input(shape), input);
    let pixels = shape.output[0] * shape.output[1];
    frames.each_group(items, |group, images| {
        let grads = output_grad.slice_rows(group.start * pixels..group.end * pixels);
        if filters.is_multiple_of(16) {
            return accumulate(shape, &frames.frame, group, images, grads, gradient);
        }
        let width = filters.next_multiple_of(16);
        with_scratch(grads.rows() * width, |padded| {
            let grads = pad_rows(grads, width, padded);
            accumulate(shape, &frames.frame, group, images, grads, gradient);
        });
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
    // Taps of one row that touch are worked on as one.
    let apart = if shape.dilation[1] > 1 { shape.kernel[1] } else { 1 };
    let line = shape.kernel[1] / apart * frame.channels;
    assert!(
        images.len() >= group.len() * frame.len() && grads.rows() == group.len() * height * width
    );
    let tiles = Tiles::current();
    for panel in 0..filters.div_ceil(super::super::PANEL) {
        let (columns, panel_width) = (panel_columns(filters, panel), panel_width(filters, panel));
        assert!(columns.start + panel_width <= grads.cols(), "padded columns");
        let to = &mut gradient[columns.start * rows..][..rows * panel_width];
        let to = to.as_mut_ptr();
        for (ky, kx) in (0..shape.kernel[0]).flat_map(|ky| (0..apart).map(move |kx| (ky, kx))) {
            let dy = ky * shape.dilation[0];
            // Output rows whose tap in this row of the kernel meets zeros only are left out.
            let filled = frame.rows();
            let end = filled.end.saturating_sub(dy).div_ceil(down).min(height);
            let first = filled.start.saturating_sub(dy).div_ceil(down).min(end);
            let a = (first * down + dy) * frame.pitch() + kx * shape.dilation[1] * frame.channels;
            let a = images.as_ptr().wrapping_add(a);
            let b = grads.as_ptr().wrapping_add(first * width * grads.stride() + columns.start);
            // So many pixels are added one after another, and then to those before.
            let rows_at_once = (STEPS / width.max(1)).max(1);
            let images_at_once = (rows_at_once / (end - first).max(1)).max(1);
            let of_images = blocks(group.len(), images_at_once);
            let parts = of_images.flat_map(|images| {
                blocks(end - first, rows_at_once).map(move |rows| (images.clone(), rows))
            });
            for (images, rows) in parts {
                let start = if group.start + images.start + rows.start > 0 {
                    Start::Onto
                } else {
                    Start::Zero
                };
                let [a_step, b_step] = [down * frame.pitch(), width * grads.stride()];
                let a = a.wrapping_add(images.start * frame.len() + rows.start * a_step);
                let image_grads = height * width * grads.stride();
                let mut tile = Tile {
                    a,
                    a_rows: Rows::Adjacent,
                    b: b.wrapping_add(images.start * image_grads + rows.start * b_step),
                    walk: Walk {
                        outer: images.len(),
                        a_outer: frame.len(),
                        b_outer: image_grads,
                        segments: rows.len(),
                        a_segment: a_step,
                        b_segment: b_step,
                        len: width,
                        a_step: right * frame.channels,
                        b_step: grads.stride(),
                        ..Walk::default()
                    },
                    c: to,
                    c_rows: std::array::from_fn(|row| row * panel_width),
                    columns: panel_width,
                    start,
                    ahead: Ahead { from: a, step: 0 },
                };
                tiles.heights(0..line, |part| {
                    tile.a = a.wrapping_add(part.start);
                    let row = (ky * apart + kx) * line + part.start;
                    tile.c = to.wrapping_add(row * panel_width);
                    // SAFETY: the taps of all output pixels lie within the frames, as the frame's size
                    // says; the gradients have a row for each output pixel, of at least these columns;
                    // `to` has a row for each tap and channel.
                    unsafe { tiles.run(&mut tile, part.len(), panel_width) };
                });
            }
        }
    }
}
