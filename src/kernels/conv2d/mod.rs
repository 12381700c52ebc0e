//! Convolution of images, without unfolding them: each sum walks through the taps of the kernel in
//! one image, which is copied into a frame of zeros first where the kernel leaves it.

mod forward;
mod frame;
mod input_grad;
mod pass;
mod weight_grad;

pub(crate) use forward::conv2d;
pub(crate) use input_grad::{conv2d_input_grad, conv2d_prepare, conv2d_prepared_len};
pub(crate) use weight_grad::conv2d_weight_grad;

pub(super) use input_grad::greatest_divisor;

use super::MatrixRef;

/// The shape of a convolution. Images are height x width x channels; the weights are a matrix of
/// (kernel height x kernel width x channels) rows and `filters` columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conv2dShape {
    /// Height, width and channels of an input image.
    pub(crate) input: [usize; 3],
    /// Height and width of the kernel.
    pub(crate) kernel: [usize; 2],
    /// Rows and columns from one output to the next; at least 1.
    pub(crate) stride: [usize; 2],
    /// Rows and columns from one tap of the kernel to the next; at least 1.
    pub(crate) dilation: [usize; 2],
    /// Rows of zeros on top of the image and columns of zeros on its left. How many there are below
    /// and on the right follows from the size of the output.
    pub(crate) padding: [usize; 2],
    /// Height and width of an output image.
    pub(crate) output: [usize; 2],
    /// Channels of an output image.
    pub(crate) filters: usize,
}

impl Conv2dShape {
    /// Rows and columns of the weight matrix.
    pub(super) fn weights(&self) -> (usize, usize) {
        (self.kernel[0] * self.kernel[1] * self.input[2], self.filters)
    }

    /// Whether it is a product of all pixels with one matrix.
    pub(crate) fn is_product(&self) -> bool {
        self.kernel == [1, 1]
            && self.stride == [1, 1]
            && self.padding == [0, 0]
            && self.input[..2] == self.output
    }

    pub(super) fn check_input(&self, items: usize, input: &MatrixRef<'_>) {
        let [height, width, channels] = self.input;
        let [rows, cols] = [items * height * width, channels];
        assert_eq!([input.rows(), input.cols()], [rows, cols], "input of {items} times {self:?}");
    }

    pub(super) fn check_output(&self, items: usize, output: &MatrixRef<'_>) {
        let [rows, cols] = [items * self.output[0] * self.output[1], self.filters];
        assert_eq!(
            [output.rows(), output.cols()],
            [rows, cols],
            "output of {items} times {self:?}"
        );
        assert!(self.stride[0] > 0 && self.stride[1] > 0, "stride of {self:?}");
        assert!(self.dilation[0] > 0 && self.dilation[1] > 0, "dilation of {self:?}");
    }
}
