//! The forward phase.

use super::super::{MatrixMut, MatrixRef, Panels, product};
use super::Conv2dShape;
use super::frame::{Frame, Frames};
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
pub(crate) fn conv2d(
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
    let frames = Frames::new(Frame::of_input(shape), input);
    let pixels = shape.output[0] * shape.output[1];
    let pass = Pass {
        frame: frames.frame,
        first: [0, 0],
        stride: shape.stride,
        dilation: shape.dilation,
        taps: shape.kernel,
        weights,
        bias,
        output: shape.output,
        output_steps: [pixels * step, shape.output[1] * step, step],
    };
    frames.each_group(items, |group, frames| {
        let mut to = output.reborrow().slice_rows(group.start * pixels..group.end * pixels);
        // SAFETY: these rows are exclusive, and as many as the pass has output pixels.
        unsafe { pass.run(group.len(), frames, to.as_mut_ptr()) };
    });
}
