//! Steps in units of a running root mean square of the gradient.

use serde::{Deserialize, Serialize};

use super::parameter_group::{ParameterGroup, ParameterGroups};
use super::schedules::{Pace, Plateau};
use super::shared_attributes::{
    CLIP_GLOBAL_NORM, CLIP_NORM, CLIP_VALUE, EMA_DECAY, GROUP, SCHEDULE, bound, check_not_negative,
    check_share, clip, least_square, quotient, shared_attributes,
};
use super::{Moving, NormClip, Optimizer, OptimizerSpec, parse};
use crate::attributes::to_attributes;
use crate::kernels::{self, flush_subnormal};

pub(super) static SPEC: OptimizerSpec = OptimizerSpec {
    kind: "rmsprop",
    summary: "square = alpha · square + (1 - alpha) · gradient²; weight -= learning_rate · gradient / (√square + epsilon)",
    attributes: &[
        ("learning_rate", "scales the move of every step, at least 0; default 0.01"),
        ("alpha", "what stays of the running means, 0 <= alpha < 1; default 0.99"),
        ("epsilon", "added after the root, at least 0; default 1e-8"),
        ("momentum", "the share of the velocity that stays, 0 <= momentum < 1; default 0"),
        ("centered", "subtracts the square of the running mean; default false"),
        SCHEDULE,
        CLIP_VALUE,
        CLIP_NORM,
        CLIP_GLOBAL_NORM,
        EMA_DECAY,
        GROUP,
    ],
    parse: parse::<RmsProp>,
    samples: &[
        "",
        "momentum = 0.9\nepsilon = 1e-6",
        "centered = true\nalpha = 0.9",
        "centered = true\nmomentum = 0.5\nclip_value = 0.1",
    ],
};

/// Steps in units of a running root mean square (Tieleman and Hinton 2012, lecture 6.5), in `PyTorch`'s
/// form: `square = alpha · square + (1 - alpha) · gradient²` and `weight -= rate · gradient /
/// (√square + epsilon)`, epsilon after the root. With momentum, the quotient is added to
/// `velocity = momentum · velocity`, which moves the weight. Centered (Graves 2013, section 4.3), the
/// square of the gradient's running mean is subtracted from that of its squares.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RmsProp {
    #[serde(default = "default_rate")]
    learning_rate: f32,
    #[serde(default = "default_alpha")]
    alpha: f64,
    #[serde(default = "default_epsilon")]
    epsilon: f64,
    #[serde(default)]
    momentum: f32,
    #[serde(default)]
    centered: bool,
    #[serde(default, skip_serializing_if = "Pace::is_constant")]
    schedule: Pace,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clip_value: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clip_norm: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clip_global_norm: Option<f32>,
    #[serde(default, skip_serializing_if = "ParameterGroups::is_empty")]
    group: ParameterGroups,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ema_decay: Option<f64>,
}

fn default_rate() -> f32 {
    0.01
}

fn default_alpha() -> f64 {
    0.99
}

fn default_epsilon() -> f64 {
    1e-8
}

impl Default for RmsProp {
    fn default() -> Self {
        Self::new(default_rate())
    }
}

impl RmsProp {
    /// With this learning rate, and defaults otherwise.
    pub fn new(learning_rate: f32) -> Self {
        Self {
            learning_rate,
            alpha: default_alpha(),
            epsilon: default_epsilon(),
            momentum: 0.0,
            centered: false,
            schedule: Pace::default(),
            clip_value: None,
            clip_norm: None,
            clip_global_norm: None,
            group: ParameterGroups::default(),
            ema_decay: None,
        }
    }

    /// What stays of the running means from one step to the next.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// Is added to the root.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// The share of the velocity that stays from one step to the next.
    #[must_use]
    pub fn momentum(mut self, momentum: f32) -> Self {
        self.momentum = momentum;
        self
    }

    /// Subtracts the square of the running mean.
    #[must_use]
    pub fn centered(mut self) -> Self {
        self.centered = true;
        self
    }
}

shared_attributes!(RmsProp);

impl Optimizer for RmsProp {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), String> {
        check_share("alpha", self.alpha)?;
        check_not_negative("epsilon", self.epsilon)?;
        check_share("momentum", self.momentum)?;
        self.check_shared()
    }

    fn learning_rate(&self, step: u64) -> f32 {
        self.rate(step)
    }

    fn state(&self) -> &'static [&'static str] {
        match (self.centered, self.momentum == 0.0) {
            (false, true) => &["square"],
            (false, false) => &["square", "velocity"],
            (true, true) => &["square", "mean"],
            (true, false) => &["square", "mean", "velocity"],
        }
    }

    fn norm_clip(&self) -> Option<NormClip> {
        self.shared_norm_clip()
    }

    fn plateau(&self) -> Option<&Plateau> {
        self.schedule.plateau()
    }

    fn ema_decay(&self) -> Option<f64> {
        self.ema_decay
    }

    fn groups(&self) -> &[ParameterGroup] {
        &self.group.0
    }

    fn can_fail(&self) -> bool {
        false
    }

    fn update(&self, moving: Moving<'_>) -> Result<(), String> {
        let rate = self.moving_rate(&moving);
        let Moving { weights, gradient, state, store, .. } = moving;
        let (momentum, most) = (self.momentum, bound(self.clip_value));
        let (alpha, new) = (self.alpha as f32, (1.0 - self.alpha) as f32);
        let epsilon = self.epsilon as f32;
        let least = least_square(epsilon, 1.0);
        let of_squares = move |old: f32, gradient: f32| {
            let square = alpha * old + new * (gradient * gradient);
            if square < least { 0.0 } else { square }
        };
        let of_gradients =
            move |old: f32, gradient: f32| flush_subnormal(alpha * old + new * gradient);
        let about = move |square: f32, mean: f32| {
            // Rounding must not bring the variance below 0; NaN stays NaN.
            let variance = square - mean * mean;
            if variance < 0.0 { 0.0 } else { variance }
        };
        match (state, self.centered) {
            ([square], false) => {
                kernels::move_each(
                    weights,
                    gradient,
                    [square],
                    store,
                    |weight, gradient, [square]| {
                        let gradient = clip(gradient, most);
                        let square = of_squares(square, gradient);
                        (weight - rate * quotient(gradient, square.sqrt() + epsilon), [square])
                    },
                );
            }
            ([square, velocity], false) => {
                let state = [&mut **square, &mut **velocity];
                kernels::move_each(
                    weights,
                    gradient,
                    state,
                    store,
                    |weight, gradient, [square, old]| {
                        let gradient = clip(gradient, most);
                        let square = of_squares(square, gradient);
                        let speed = quotient(gradient, square.sqrt() + epsilon);
                        let speed = flush_subnormal(momentum * old + speed);
                        (weight - rate * speed, [square, speed])
                    },
                );
            }
            ([square, mean], true) => {
                let state = [&mut **square, &mut **mean];
                kernels::move_each(
                    weights,
                    gradient,
                    state,
                    store,
                    |weight, gradient, [square, mean]| {
                        let gradient = clip(gradient, most);
                        let square = of_squares(square, gradient);
                        let mean = of_gradients(mean, gradient);
                        let root = about(square, mean).sqrt() + epsilon;
                        (weight - rate * quotient(gradient, root), [square, mean])
                    },
                );
            }
            ([square, mean, velocity], true) => {
                let state = [&mut **square, &mut **mean, &mut **velocity];
                kernels::move_each(weights, gradient, state, store, |weight, gradient, old| {
                    let [square, mean, speed] = old;
                    let gradient = clip(gradient, most);
                    let square = of_squares(square, gradient);
                    let mean = of_gradients(mean, gradient);
                    let root = about(square, mean).sqrt() + epsilon;
                    let speed = flush_subnormal(momentum * speed + quotient(gradient, root));
                    (weight - rate * speed, [square, mean, speed])
                });
            }
            _ => return Err("the state does not fit the settings".to_owned()),
        }
        Ok(())
    }
}
