//! The forward phase.

use super::super::{MatrixMut, MatrixRef, Panels, product, with_scratch};
use super::Conv2dShape;
use super::frame::Frame;
use super::pass::Pass;

/// Convolves `items` images, overwriting `output`: a pixel of it is the bias plus the sum of the
/// pixels under the kernel times the weights.
///
/// Images are matrices with one row per pixel: the input (items * height * width) x channels, the
/// output (items * its height * its width) x filters. Row `(ky * kernel width + kx) * channels + c`
/// of the weights belongs to the kernel's row ky and column kx.
///
/// # Panics
/// If the sizes do not fit the shape.
pub fn conv2d(
    shape: &Conv2dShape,
    items: usize,
    input: MatrixRef<'_>,
    weights: Panels<'_>,
    bias: Option<&[f32]>,
    mut output: MatrixMut<'_>,
) {
    shape.check_input(items, &input);
    shape.check_output(items, &output.as_ref());
    assert_eq!((weights.rows(), weights.cols()), shape.weights(), "weights of {shape:?}");
    if let Some(bias) = bias {
        assert_eq!(bias.len(), shape.filters, "bias of {shape:?}");
    }
    if shape.is_product() {
        return product(input, weights, bias, output);
    }
    let step = output.stride();
    let needed = Frame::of_input(shape);
    let in_place = needed.in_place(&input);
    let pass = Pass {
        frame: in_place.unwrap_or(needed),
        first: [0, 0],
        stride: shape.stride,
        taps: shape.kernel,
        weights,
        bias,
        output: shape.output,
        output_steps: [shape.output[1] * step, step],
    };
    let [pixels, output_pixels] =
        [shape.input[0] * shape.input[1], shape.output[0] * shape.output[1]];
    let mut visit = |item: usize, frame: &[f32]| {
        let rows = item * output_pixels..(item + 1) * output_pixels;
        let to = output.reborrow().slice_rows(rows).as_mut_ptr();
        // SAFETY: the rows of this item are exclusive, and as many as the pass has output pixels.
        unsafe { pass.run(frame, to) };
    };
    if let (Some(_), Some(images)) = (in_place, input.contiguous()) {
        for item in 0..items {
            visit(item, &images[item * pass.frame.len()..]);
        }
    } else {
        with_scratch(pass.frame.len(), |frame| {
            frame.fill(0.0);
            for item in 0..items {
                needed.fill(input.slice_rows(item * pixels..(item + 1) * pixels), frame);
                visit(item, frame);
            }
        });
    }
}
