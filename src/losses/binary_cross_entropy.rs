//! Cross entropy of two classes, one logit a decision.

use super::{
    Loss, LossSpec, TargetValues, check_same_shape, mean_by_number, parse_plain, slope_by_number,
};
use crate::context::Context;
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Sample};

pub(super) static SPEC: LossSpec = LossSpec {
    kind: "binary_cross_entropy",
    summary: "mean of max(x, 0) - x · t + ln(1 + e^-|x|) over logits x and targets t from 0 to 1",
    attributes: &[],
    parse: parse_plain::<BinaryCrossEntropy>,
    samples: &[
        Sample { attributes: "", inputs: &[&[3], &[3]] },
        Sample { attributes: "", inputs: &[&[], &[]] },
        Sample { attributes: "", inputs: &[&[2, 3, 2], &[2, 3, 2]] },
    ],
};

/// The cross entropy of `sigmoid(logit)` against a target from 0 to 1: the mean over an item's numbers
/// of `max(x, 0) - x · t + ln(1 + e^-|x|)`, which is `-t ln σ(x) - (1 - t) ln(1 - σ(x))` in a form
/// that no logit makes overflow (as in `TensorFlow`'s `sigmoid_cross_entropy_with_logits`). Both
/// inputs have one shape; only the logits have a gradient, `σ(x) - t`.
#[derive(Clone, Copy, Debug, Default)]
pub struct BinaryCrossEntropy;

impl Loss for BinaryCrossEntropy {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        check_same_shape(inputs)
    }

    fn target_values(&self, _inputs: &[&[usize]]) -> TargetValues {
        TargetValues::Numbers
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, losses: MatrixMut<'_>) -> Result<(), String> {
        mean_by_number(context, losses, |x, t| x.max(0.0) - x * t + (-x.abs()).exp().ln_1p());
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        scale: f32,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        slope_by_number(context, scale, gradient, |x, t| {
            // Of the two forms of the sigmoid the one that does not overflow.
            let e = (-x.abs()).exp();
            (if x >= 0.0 { 1.0 } else { e }) / (1.0 + e) - t
        });
        Ok(())
    }
}
