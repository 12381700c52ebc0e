//! By what the passes of a convolution are computed.

use super::Pass;
use crate::context::{Convolution, Numerics, Phase, Precision};
use crate::kernels::{self, Conv2dShape, MatrixMut, MatrixRef, PairPanels, Panels, Winograd};

/// What a convolution reads beside its input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weights<'a> {
    /// The weights as they are.
    pub(super) plain: Panels<'a>,
    /// The weights as [`Way::prepare`] writes them.
    pub(super) prepared: &'a [f32],
    pub(super) bias: &'a [f32],
}

/// What computes a phase of a convolution.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// Sums of products, tap by tap.
    Direct,
    /// Fewer multiplications.
    Winograd(Winograd),
    /// Windows of one pixel: a product of all pixels with one matrix, of 16-bit numbers.
    Bf16,
}

impl Way {
    /// What a phase is computed by.
    pub(super) fn of(shape: &Conv2dShape, phase: Phase, numerics: Numerics) -> Self {
        if numerics.precision == Precision::Bf16
            && shape.is_product()
            && kernels::bf16_pays(shape.input[2], shape.filters)
        {
            return Self::Bf16;
        }
        let fast = match (numerics.convolution, phase) {
            (Convolution::Direct, _) => None,
            (_, Phase::Forward) => Winograd::forward(shape),
            (_, Phase::InputGrad) => Winograd::input_grad(shape),
            _ => Winograd::weight_grad(shape),
        };
        fast.map_or(Self::Direct, Self::Winograd)
    }

    /// What the pass that reads a form of the weights is computed by.
    pub(super) fn of_pass(shape: &Conv2dShape, pass: Pass, numerics: Numerics) -> Self {
        let phase = if pass == Pass::Forward { Phase::Forward } else { Phase::InputGrad };
        Self::of(shape, phase, numerics)
    }

    /// The tiles, where there are some.
    pub(super) fn winograd(self) -> Option<Winograd> {
        match self {
            Self::Winograd(fast) => Some(fast),
            Self::Direct | Self::Bf16 => None,
        }
    }

    /// The operations of a phase for an image, given those of the textbook; a product of 16-bit numbers takes half as
    /// long as one of 32.
    pub(super) fn operations(self, shape: &Conv2dShape, phase: Phase, textbook: f64) -> f64 {
        match self {
            Self::Direct => textbook,
            Self::Bf16 => textbook / 2.0,
            Self::Winograd(fast) => {
                2.0 * match phase {
                    Phase::Forward => fast.forward_multiplications(shape),
                    Phase::InputGrad => fast.input_grad_multiplications(shape),
                    _ => fast.weight_grad_multiplications(shape),
                }
            }
        }
    }

    /// Floats of the form of the weights that a pass reads; 0 if it reads them as they are.
    pub(super) fn prepared_len(self, shape: &Conv2dShape, pass: Pass) -> usize {
        match (self, pass) {
            (Self::Direct, Pass::Forward) => 0,
            (Self::Direct, Pass::Backward) => kernels::conv2d_prepared_len(shape),
            (Self::Winograd(fast), Pass::Forward) => fast.prepared_len(shape),
            (Self::Winograd(fast), Pass::Backward) => fast.turned_len(shape),
            (Self::Bf16, Pass::Forward) => kernels::pair_panels_len(shape.input[2], shape.filters),
            (Self::Bf16, Pass::Backward) => kernels::pair_panels_len(shape.filters, shape.input[2]),
        }
    }

    /// Writes the form of the weights that a pass reads.
    pub(super) fn prepare(
        self,
        shape: &Conv2dShape,
        pass: Pass,
        weights: Panels<'_>,
        prepared: &mut [f32],
    ) {
        match (self, pass) {
            (Self::Direct, _) => kernels::conv2d_prepare(shape, weights, prepared),
            (Self::Winograd(fast), Pass::Forward) => fast.prepare(shape, weights, prepared),
            (Self::Winograd(fast), Pass::Backward) => fast.prepare_turned(shape, weights, prepared),
            (Self::Bf16, Pass::Forward) => kernels::bf16_panels(weights, prepared),
            (Self::Bf16, Pass::Backward) => kernels::bf16_panels_transposed(weights, prepared),
        }
    }

    /// The convolution.
    pub(super) fn forward(
        self,
        shape: &Conv2dShape,
        items: usize,
        input: MatrixRef<'_>,
        weights: Weights<'_>,
        output: MatrixMut<'_>,
    ) {
        let Weights { plain, prepared, bias } = weights;
        match self {
            Self::Direct => kernels::conv2d(shape, items, input, plain, Some(bias), output),
            Self::Winograd(fast) => {
                fast.conv2d(shape, items, input, prepared, Some(bias), output);
            }
            Self::Bf16 => {
                let weights = PairPanels::new(prepared, shape.input[2], shape.filters);
                kernels::bf16_product(input, weights, Some(bias), output);
            }
        }
    }

    /// The gradient of the input, given the weights as [`Way::prepare`] writes them.
    pub(super) fn input_grad(
        self,
        shape: &Conv2dShape,
        items: usize,
        output_grad: MatrixRef<'_>,
        prepared: &[f32],
        gradient: MatrixMut<'_>,
    ) {
        match self {
            Self::Direct => {
                kernels::conv2d_input_grad(shape, items, output_grad, prepared, None, gradient);
            }
            Self::Winograd(fast) => {
                fast.conv2d_input_grad(shape, items, output_grad, prepared, gradient);
            }
            Self::Bf16 => {
                let weights = PairPanels::new(prepared, shape.filters, shape.input[2]);
                kernels::bf16_product(output_grad, weights, None, gradient);
            }
        }
    }

    /// The gradient of the weights.
    pub(super) fn weight_grad(
        self,
        shape: &Conv2dShape,
        items: usize,
        input: MatrixRef<'_>,
        output_grad: MatrixRef<'_>,
        gradient: &mut [f32],
    ) {
        match self {
            Self::Direct => {
                kernels::conv2d_weight_grad(shape, items, input, output_grad, gradient);
            }
            Self::Winograd(fast) => {
                fast.conv2d_weight_grad(shape, items, input, output_grad, gradient);
            }
            Self::Bf16 => {
                let rows = 0..kernels::panel_rows(shape.input[2], shape.filters);
                kernels::bf16_weight_gradient(input, output_grad, rows, &[], gradient);
            }
        }
    }
}
