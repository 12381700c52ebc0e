//! Convolutions with windows of 3 x 3 or 5 x 5, stride 1 and no dilation, in fewer multiplications: Winograd's minimal
//! filtering (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016).
//!
//! Images are cut into tiles of outputs. The inputs that a tile depends on are transformed to numbers at 16, 36 or 64
//! points, and so are the weights; a product of channels and filters at each point, transformed once more, is the
//! tile. Windows of 3 x 3 take 16, 36 or 64 multiplications a channel and filter for 2 x 2, 4 x 4 or 6 x 6 outputs,
//! where the direct sum takes 36, 144 or 324; windows of 5 x 5 take 36 or 64 for 2 x 2 or 4 x 4 outputs, where it takes
//! 100 or 400. All gradients have the same form.
//!
//! An axis of an image that is no whole number of tiles long ends with a tile of the outputs that are left. It has only
//! as many of the points as these need, and reads the same transformed weights there.
//!
//! Transforms add numbers that belong to different taps, so errors are not relative to each output, but to what a
//! tile can hold: with r the largest size of an input, and s the sum of the sizes of all weights of a filter, the
//! tests hold all outputs to 1e-6 r s with up to 36 points and 4e-6 r s with 64, and gradients of weights to 4e-6 r s
//! and 1e-5 r s, where s is that of a filter's output gradients. Measured at 28 x 28 x 32 to 64 channels, the worst
//! are 4e-8 r s with F(2x2, 3x3), 2e-7 r s with F(4x4, 3x3) and 1.4e-6 r s with F(6x6, 3x3), where those of the direct
//! sum are 9e-8 r s.

mod choice;
mod forward;
mod grid;
mod outputs;
mod passes;
mod patches;
mod transforms;
mod weight_grad;
mod weights;

use self::passes::{Inputs, OutputGrads, Outputs};
use self::transforms::{Eight, Four, Six, Weight, WeightGrad};
use super::buffer::LINE;
use super::conv2d::{Conv2dShape, conv2d_prepare, conv2d_prepared_len};
use super::panels::Panels;
use super::{MatrixMut, MatrixRef, with_scratch};

/// About how many tiles are worked on together.
const BLOCK: usize = 42;

/// Numbers at all points of the tiles that are worked on together in the gradient of the weights.
const SUMMED_FLOATS: usize = 640 * 1024;

/// Tiles of outputs that are computed together. Where an image is no whole number of tiles high or wide, the last ones
/// have as many outputs as are left, and the fewer points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Winograd {
    /// 2 x 2 outputs of windows of 3 x 3, from products at 4 x 4 points: F(2x2, 3x3).
    F23,
    /// 4 x 4 outputs of windows of 3 x 3, from products at 6 x 6 points: F(4x4, 3x3).
    F43,
    /// 6 x 6 outputs of windows of 3 x 3, from products at 8 x 8 points: F(6x6, 3x3).
    F63,
    /// 2 x 2 outputs of windows of 5 x 5, from products at 6 x 6 points: F(2x2, 5x5).
    F25,
    /// 4 x 4 outputs of windows of 5 x 5, from products at 8 x 8 points: F(4x4, 5x5).
    F45,
}

impl Winograd {
    /// All that a convolution can be computed by.
    pub(crate) fn fitting(shape: &Conv2dShape) -> &'static [Self] {
        match shape.kernel {
            [3, 3] if Self::fits(shape) => &[Self::F23, Self::F43, Self::F63],
            [5, 5] if Self::fits(shape) => &[Self::F25, Self::F45],
            _ => &[],
        }
    }

    /// Whether there are windows that fit the transforms.
    fn fits(shape: &Conv2dShape) -> bool {
        shape.stride == [1, 1]
            && shape.dilation == [1, 1]
            && shape.padding.iter().all(|&padding| padding < shape.kernel[0])
    }

    /// Rows and columns of a tile.
    pub(crate) fn side(self) -> usize {
        match self {
            Self::F23 | Self::F25 => 2,
            Self::F43 | Self::F45 => 4,
            Self::F63 => 6,
        }
    }

    /// Points of a tile along an axis.
    fn points_along(self) -> usize {
        match self {
            Self::F23 => 4,
            Self::F43 | Self::F25 => 6,
            Self::F63 | Self::F45 => 8,
        }
    }

    /// Points of a tile.
    fn points(self) -> usize {
        self.points_along() * self.points_along()
    }

    /// About how many tiles a block of the gradient of the weights has, with so many channels and filters: many, so
    /// that the sums, which a block reads and writes, take little time beside the products.
    fn summed_block(self, channels: usize, filters: usize) -> usize {
        (SUMMED_FLOATS / (self.points() * (channels + filters)).max(1)).clamp(BLOCK, 2 * BLOCK)
    }

    /// How many floats [`Winograd::prepare`] writes.
    pub(crate) fn prepared_len(self, shape: &Conv2dShape) -> usize {
        weights::transformed_len(self.points(), shape.input[2], shape.filters)
    }

    /// Writes the weights in the form that [`Winograd::conv2d`] reads.
    ///
    /// # Panics
    /// If the sizes do not fit the shape.
    pub(crate) fn prepare(self, shape: &Conv2dShape, weights: Panels<'_>, prepared: &mut [f32]) {
        assert!(Self::fitting(shape).contains(&self), "{self:?} of {shape:?}");
        assert_eq!((weights.rows(), weights.cols()), shape.weights(), "weights of {shape:?}");
        let transform = match self {
            Self::F23 => weights::transform_weights::<Weight<Four>, 3, 4>,
            Self::F43 => weights::transform_weights::<Weight<Six>, 3, 6>,
            Self::F63 => weights::transform_weights::<Weight<Eight>, 3, 8>,
            Self::F25 => weights::transform_weights::<Weight<Six>, 5, 6>,
            Self::F45 => weights::transform_weights::<Weight<Eight>, 5, 8>,
        };
        transform(weights, shape.input[2], prepared);
    }

    /// Convolves images as [`conv2d`](fn@super::conv2d) does, given weights as [`Winograd::prepare`] writes them.
    ///
    /// # Panics
    /// If the sizes do not fit the shape, or it is not [fitting](Self::fitting).
    pub(crate) fn conv2d(
        self,
        shape: &Conv2dShape,
        items: usize,
        input: MatrixRef<'_>,
        prepared: &[f32],
        bias: Option<&[f32]>,
        output: MatrixMut<'_>,
    ) {
        assert!(Self::fitting(shape).contains(&self), "{self:?} of {shape:?}");
        let convolve = match self {
            Self::F23 => forward::convolve::<Inputs<Four>, Outputs<Four, 3>>,
            Self::F43 => forward::convolve::<Inputs<Six>, Outputs<Six, 3>>,
            Self::F63 => forward::convolve::<Inputs<Eight>, Outputs<Eight, 3>>,
            Self::F25 => forward::convolve::<Inputs<Six>, Outputs<Six, 5>>,
            Self::F45 => forward::convolve::<Inputs<Eight>, Outputs<Eight, 5>>,
        };
        convolve(self, shape, items, input, prepared, bias, output);
    }

    /// How many floats [`Winograd::prepare_turned`] writes.
    pub(crate) fn turned_len(self, shape: &Conv2dShape) -> usize {
        self.prepared_len(&turned(shape))
    }

    /// Writes the weights in the form that [`Winograd::conv2d_input_grad`] reads.
    ///
    /// # Panics
    /// If the sizes do not fit the shape, or it is not [fitting](Self::fitting).
    pub(crate) fn prepare_turned(
        self,
        shape: &Conv2dShape,
        weights: Panels<'_>,
        prepared: &mut [f32],
    ) {
        let turned = turned(shape);
        with_scratch(conv2d_prepared_len(shape), |plain| {
            conv2d_prepare(shape, weights, plain);
            let (rows, cols) = turned.weights();
            self.prepare(&turned, Panels::new(plain, rows, cols), prepared);
        });
    }

    /// The gradient of the input as [`conv2d_input_grad`](super::conv2d_input_grad) gives it, given weights as
    /// [`Winograd::prepare_turned`] writes them: a convolution of the output's gradient.
    ///
    /// # Panics
    /// If the sizes do not fit the shape, or it is not [fitting](Self::fitting).
    pub(crate) fn conv2d_input_grad(
        self,
        shape: &Conv2dShape,
        items: usize,
        output_grad: MatrixRef<'_>,
        prepared: &[f32],
        gradient: MatrixMut<'_>,
    ) {
        self.conv2d(&turned(shape), items, output_grad, prepared, None, gradient);
    }

    /// The gradient of the weights as [`conv2d_weight_grad`](super::conv2d_weight_grad) gives it.
    ///
    /// # Panics
    /// If the sizes do not fit the shape, or it is not [fitting](Self::fitting).
    pub(crate) fn conv2d_weight_grad(
        self,
        shape: &Conv2dShape,
        items: usize,
        input: MatrixRef<'_>,
        output_grad: MatrixRef<'_>,
        gradient: &mut [f32],
    ) {
        assert!(Self::fitting(shape).contains(&self), "{self:?} of {shape:?}");
        let (channels, filters) = (shape.input[2], shape.filters);
        let weight_grad = match self {
            Self::F23 => weight_grad::weight_grad::<Inputs<Four>, OutputGrads<Four, 3>>,
            Self::F43 => weight_grad::weight_grad::<Inputs<Six>, OutputGrads<Six, 3>>,
            Self::F63 => weight_grad::weight_grad::<Inputs<Eight>, OutputGrads<Eight, 3>>,
            Self::F25 => weight_grad::weight_grad::<Inputs<Six>, OutputGrads<Six, 5>>,
            Self::F45 => weight_grad::weight_grad::<Inputs<Eight>, OutputGrads<Eight, 5>>,
        };
        let transform = match self {
            Self::F23 => weights::transform_weight_grad::<WeightGrad<Four>, 4, 3>,
            Self::F43 => weights::transform_weight_grad::<WeightGrad<Six>, 6, 3>,
            Self::F63 => weights::transform_weight_grad::<WeightGrad<Eight>, 8, 3>,
            Self::F25 => weights::transform_weight_grad::<WeightGrad<Six>, 6, 5>,
            Self::F45 => weights::transform_weight_grad::<WeightGrad<Eight>, 8, 5>,
        };
        with_scratch(self.prepared_len(shape), |sums| {
            weight_grad(self, shape, items, input, output_grad, sums);
            transform(sums, channels, filters, gradient);
        });
    }
}

/// The convolution of the output's gradient that gives that of the input.
fn turned(shape: &Conv2dShape) -> Conv2dShape {
    assert!(!Winograd::fitting(shape).is_empty(), "{shape:?}");
    let [height, width, channels] = shape.input;
    Conv2dShape {
        input: [shape.output[0], shape.output[1], shape.filters],
        padding: shape.padding.map(|padding| shape.kernel[0] - 1 - padding),
        output: [height, width],
        filters: channels,
        ..shape.clone()
    }
}

/// Floats from one plane of `len` floats to the next: an odd number of cache lines, so that those of all points do
/// not compete for places in the cache.
fn plane_len(len: usize) -> usize {
    (len.div_ceil(LINE) | 1) * LINE
}
