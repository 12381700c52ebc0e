//! Cross entropy of logits that looks away from what is already right.

use serde::{Deserialize, Serialize};

use super::class_weights::{
    CLASS_WEIGHTS, ClassSettings, ClassWeights, LABEL_SMOOTHING, class_settings, is_zero,
};
use super::targets::Form;
use super::{
    Loss, LossSpec, TargetValues, check_gamma, default_gamma, mean_by_item, parse_checked, power,
};
use crate::attributes::to_attributes;
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::layers::{Misfit, Sample};

pub(super) static SPEC: LossSpec = LossSpec {
    kind: "softmax_focal",
    summary: "-(1 - p)^gamma · log(p), p the softmax of the logits at the target: class indices, or a share for every class",
    attributes: &[
        ("gamma", "how far what is right already counts for less, at least 0; default 2"),
        LABEL_SMOOTHING,
        CLASS_WEIGHTS,
    ],
    parse: parse_checked::<SoftmaxFocal>,
    samples: &[
        Sample { attributes: "", inputs: &[&[4], &[]] },
        Sample {
            attributes: "gamma = 0.5\nclass_weights = [1.0, 0.25, 3.0]",
            inputs: &[&[2, 3], &[2]],
        },
        Sample { attributes: "gamma = 1.0\nlabel_smoothing = 0.1", inputs: &[&[5], &[5]] },
        Sample { attributes: "gamma = 0.0", inputs: &[&[3], &[]] },
    ],
};

/// The focal loss (Lin, Goyal, Girshick, He and Dollár 2017, equation 5) of several classes, over logits and targets as
/// [`SoftmaxCrossEntropy`](struct@super::SoftmaxCrossEntropy) has them: an item's loss is the mean over its rows of
/// `-Σ share · (1 - p)^gamma · log(p)`, with `p` the softmax of the logits. Class weights are the paper's α. With a gamma
/// of 0 it is the softmax cross entropy. Only the logits have a gradient.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoftmaxFocal {
    #[serde(default = "default_gamma")]
    gamma: f32,
    #[serde(default, skip_serializing_if = "is_zero")]
    label_smoothing: f32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    class_weights: Option<ClassWeights>,
}

class_settings!(SoftmaxFocal);

impl Default for SoftmaxFocal {
    /// With a gamma of 2.
    fn default() -> Self {
        Self::new(default_gamma())
    }
}

impl SoftmaxFocal {
    /// With this gamma.
    pub fn new(gamma: f32) -> Self {
        Self { gamma, label_smoothing: 0.0, class_weights: None }
    }

    /// The logarithms of the softmax of a row of logits.
    fn logarithms(logits: &[f32]) -> impl Iterator<Item = f64> + Clone + '_ {
        let largest =
            logits.iter().fold(f32::NEG_INFINITY, |most, &it| if it > most { it } else { most });
        let above = move |logit: &f32| f64::from(*logit) - f64::from(largest);
        let sum = logits.iter().map(|logit| above(logit).exp()).sum::<f64>().ln();
        logits.iter().map(move |logit| above(logit) - sum)
    }

    /// `-(1 - p)^gamma · ln p`, and `p` times its derivative.
    fn term(gamma: f64, logarithm: f64) -> [f64; 2] {
        let (p, rest) = (logarithm.exp(), -logarithm.exp_m1());
        let faded = power(rest, gamma);
        // Where p is 1, both factors of the second term vanish together.
        let slope = if gamma == 0.0 || rest == 0.0 {
            0.0
        } else {
            gamma * p * power(rest, gamma - 1.0) * logarithm
        };
        [-faded * logarithm, slope - faded]
    }
}

impl Loss for SoftmaxFocal {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        check_gamma(self.gamma).map_err(|problem| Misfit::new(problem, "correct `gamma`"))?;
        Form::of(inputs, "logits")?;
        self.settings().check(inputs)
    }

    fn check_attributes(&self) -> Result<(), String> {
        check_gamma(self.gamma)?;
        self.settings().check_numbers()
    }

    fn target_values(&self, inputs: &[&[usize]]) -> TargetValues {
        super::targets::values(inputs)
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn balances_classes(&self) -> bool {
        self.settings().is_unbalanced()
    }

    fn with_class_weights(&self, weights: Vec<f32>) -> Option<std::sync::Arc<dyn Loss>> {
        Some(std::sync::Arc::new(self.clone().class_weights(weights)))
    }

    fn forward(&self, context: &Context<'_>, losses: MatrixMut<'_>) -> Result<(), String> {
        let (logits, gamma) = (context.input(0), f64::from(self.gamma));
        let classes = logits.cols();
        kernels::with_scratch(logits.rows() * (classes + 1), |scratch| {
            let (by_row, shares) = scratch.split_at_mut(logits.rows());
            self.settings().shares(context, shares)?;
            for (row, loss) in by_row.iter_mut().enumerate() {
                let terms = Self::logarithms(logits.row(row)).zip(&shares[row * classes..]);
                // A class without a share does not count, not even one with an infinite logit.
                let terms = terms.filter(|(_, share)| **share != 0.0);
                let terms = terms.map(|(it, share)| f64::from(*share) * Self::term(gamma, it)[0]);
                *loss = terms.sum::<f64>() as f32;
            }
            mean_by_item(by_row, context.items(), losses);
            Ok(())
        })
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        scale: f32,
        mut gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let (logits, gamma) = (context.input(0), f64::from(self.gamma));
        let classes = logits.cols();
        let scale = f64::from(scale) / (logits.rows() / context.items().max(1)) as f64;
        kernels::with_scratch(logits.rows() * classes, |shares| {
            self.settings().shares(context, shares)?;
            for row in 0..logits.rows() {
                let shares = &shares[row * classes..][..classes];
                let logarithms = Self::logarithms(logits.row(row));
                let slope = |(logarithm, share): (f64, &f32)| match *share {
                    0.0 => 0.0,
                    share => f64::from(share) * Self::term(gamma, logarithm)[1],
                };
                let sum = logarithms.clone().zip(shares).map(slope).sum::<f64>();
                let slopes = logarithms.zip(shares);
                for (to, (logarithm, share)) in gradient.row_mut(row).iter_mut().zip(slopes) {
                    *to = (scale * (slope((logarithm, share)) - logarithm.exp() * sum)) as f32;
                }
            }
            Ok(())
        })
    }
}
