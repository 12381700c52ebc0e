//! Cross entropy of two classes that looks away from what is already right.

use serde::{Deserialize, Serialize};

use super::{
    Loss, LossSpec, TargetValues, check_gamma, check_same_shape, default_gamma, mean_by_number,
    parse_checked, power, slope_by_number,
};
use crate::attributes::to_attributes;
use crate::context::Context;
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Sample};

pub(super) static SPEC: LossSpec = LossSpec {
    kind: "binary_focal",
    summary: "mean of (1 - q)^gamma times the binary cross entropy of logits, q = p · t + (1 - p) · (1 - t) with p = \
              sigmoid(logit)",
    attributes: &[
        ("gamma", "how far what is right already counts for less, at least 0; default 2"),
        (
            "alpha",
            "by what targets of 1 count, and 1 - alpha by what targets of 0 do, 0 to 1; default none, all by 1",
        ),
    ],
    parse: parse_checked::<BinaryFocal>,
    samples: &[
        Sample { attributes: "", inputs: &[&[3], &[3]] },
        Sample { attributes: "gamma = 0.5\nalpha = 0.25", inputs: &[&[], &[]] },
        Sample { attributes: "gamma = 0.0", inputs: &[&[2, 3, 2], &[2, 3, 2]] },
    ],
};

/// The focal loss (Lin, Goyal, Girshick, He and Dollár 2017, equation 5) of two classes, one logit `x` a decision, against
/// a target `t` from 0 to 1: the mean over an item's numbers of `a · (1 - q)^gamma · c`, where `c` is the binary cross
/// entropy of the logit, `q = p · t + (1 - p) · (1 - t)` with `p = σ(x)`, and `a = alpha · t + (1 - alpha) · (1 - t)`, or
/// 1 without an alpha: as `torchvision`'s `sigmoid_focal_loss`. The paper takes an alpha of 0.25. Both inputs have one
/// shape; only the logits have a gradient.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BinaryFocal {
    #[serde(default = "default_gamma")]
    gamma: f32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alpha: Option<f32>,
}

impl Default for BinaryFocal {
    /// With a gamma of 2, and no alpha.
    fn default() -> Self {
        Self::new(default_gamma())
    }
}

/// What loss and gradient are made of, for one number.
struct Parts {
    /// The sigmoid of the logit.
    p: f64,
    /// The binary cross entropy.
    cross_entropy: f64,
    /// `1 - q`.
    rest: f64,
}

impl Parts {
    fn new(x: f64, t: f64) -> Self {
        // Of the two forms of the sigmoid the ones that do not overflow.
        let e = (-x.abs()).exp();
        let (large, small) = (1.0 / (1.0 + e), e / (1.0 + e));
        let (p, other) = if x >= 0.0 { (large, small) } else { (small, large) };
        let rest = other * t + p * (1.0 - t);
        // NaN stays what it is.
        let above = if x <= 0.0 { 0.0 } else { x };
        let cross_entropy = above - x * t + e.ln_1p();
        Self { p, cross_entropy, rest: if rest < 0.0 { 0.0 } else { rest } }
    }
}

impl BinaryFocal {
    /// With this gamma.
    pub fn new(gamma: f32) -> Self {
        Self { gamma, alpha: None }
    }

    /// Lets targets of 1 count by `alpha`, and targets of 0 by `1 - alpha`.
    #[must_use]
    pub fn alpha(mut self, alpha: f32) -> Self {
        self.alpha = Some(alpha);
        self
    }

    fn weight(self, t: f64) -> f64 {
        self.alpha.map_or(1.0, |alpha| f64::from(alpha) * t + (1.0 - f64::from(alpha)) * (1.0 - t))
    }
}

impl Loss for BinaryFocal {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        self.check_attributes().map_err(|problem| Misfit::new(problem, "correct it"))?;
        check_same_shape(inputs)
    }

    fn check_attributes(&self) -> Result<(), String> {
        check_gamma(self.gamma)?;
        match self.alpha {
            Some(alpha) if !(0.0..=1.0).contains(&alpha) => {
                Err(format!("`alpha` is {alpha}, not in 0 <= alpha <= 1"))
            }
            _ => Ok(()),
        }
    }

    fn target_values(&self, _inputs: &[&[usize]]) -> TargetValues {
        TargetValues::Numbers
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, losses: MatrixMut<'_>) -> Result<(), String> {
        let gamma = f64::from(self.gamma);
        mean_by_number(context, losses, |x, t| {
            let Parts { cross_entropy, rest, .. } = Parts::new(x, t);
            self.weight(t) * power(rest, gamma) * cross_entropy
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
        let gamma = f64::from(self.gamma);
        slope_by_number(context, scale, gradient, |x, t| {
            let (x, t) = (f64::from(x), f64::from(t));
            let Parts { p, cross_entropy, rest } = Parts::new(x, t);
            let faded = if gamma == 0.0 || rest == 0.0 {
                0.0
            } else {
                // The derivative of q by the logit is (2t - 1) · p · (1 - p).
                gamma * power(rest, gamma - 1.0) * (2.0 * t - 1.0) * p * (1.0 - p) * cross_entropy
            };
            (self.weight(t) * (power(rest, gamma) * (p - t) - faded)) as f32
        });
        Ok(())
    }
}
