//! Cross entropy of two classes, one logit a decision.

use serde::{Deserialize, Serialize};

use super::class_weights::{check_smoothing, is_zero};
use super::{
    Loss, LossSpec, TargetValues, check_same_shape, mean_by_number, parse_checked, slope_by_number,
};
use crate::attributes::to_attributes;
use crate::context::Context;
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Sample};

pub(super) static SPEC: LossSpec = LossSpec {
    kind: "binary_cross_entropy",
    summary: "mean of max(x, 0) - x · t + ln(1 + e^-|x|) over logits x and targets t from 0 to 1",
    attributes: &[(
        "label_smoothing",
        "brings targets this share of the way to 1/2, 0 <= label_smoothing < 1; default 0",
    )],
    parse: parse_checked::<BinaryCrossEntropy>,
    samples: &[
        Sample { attributes: "", inputs: &[&[3], &[3]] },
        Sample { attributes: "", inputs: &[&[], &[]] },
        Sample { attributes: "", inputs: &[&[2, 3, 2], &[2, 3, 2]] },
        Sample { attributes: "label_smoothing = 0.2", inputs: &[&[3], &[3]] },
    ],
};

/// The cross entropy of `sigmoid(logit)` against a target from 0 to 1: the mean over an item's numbers
/// of `max(x, 0) - x · t + ln(1 + e^-|x|)`, which is `-t ln σ(x) - (1 - t) ln(1 - σ(x))` in a form
/// that no logit makes overflow (as in `TensorFlow`'s `sigmoid_cross_entropy_with_logits`). Both
/// inputs have one shape; only the logits have a gradient, `σ(x) - t`.
///
/// With label smoothing `e`, the target counts as `t · (1 - e) + e / 2`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BinaryCrossEntropy {
    #[serde(default, skip_serializing_if = "is_zero")]
    label_smoothing: f32,
}

/// Without settings: a loss can be written by its name alone, as `BinaryCrossEntropy`.
#[allow(non_upper_case_globals)] // the name of the type, whose plain value it is
pub const BinaryCrossEntropy: BinaryCrossEntropy = BinaryCrossEntropy { label_smoothing: 0.0 };

impl BinaryCrossEntropy {
    /// Brings targets this share of the way to 1/2.
    #[must_use]
    pub fn label_smoothing(mut self, share: f32) -> Self {
        self.label_smoothing = share;
        self
    }
}

impl Loss for BinaryCrossEntropy {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        let smooth = |problem| Misfit::new(problem, "correct it");
        check_smoothing(self.label_smoothing).map_err(smooth)?;
        check_same_shape(inputs)
    }

    fn check_attributes(&self) -> Result<(), String> {
        check_smoothing(self.label_smoothing)
    }

    fn target_values(&self, _inputs: &[&[usize]]) -> TargetValues {
        TargetValues::Numbers
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, losses: MatrixMut<'_>) -> Result<(), String> {
        let [own, half] =
            [1.0 - f64::from(self.label_smoothing), 0.5 * f64::from(self.label_smoothing)];
        mean_by_number(context, losses, |x, t| {
            x.max(0.0) - x * (t * own + half) + (-x.abs()).exp().ln_1p()
        });
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        scale: f32,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let [own, half] = [1.0 - self.label_smoothing, 0.5 * self.label_smoothing];
        slope_by_number(context, scale, gradient, |x, t| {
            // Of the two forms of the sigmoid the one that does not overflow.
            let e = (-x.abs()).exp();
            (if x >= 0.0 { 1.0 } else { e }) / (1.0 + e) - (t * own + half)
        });
        Ok(())
    }
}
