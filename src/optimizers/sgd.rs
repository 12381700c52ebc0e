//! Stochastic gradient descent with momentum.

use serde::{Deserialize, Serialize};

use super::parameter_group::{ParameterGroup, ParameterGroups};
use super::schedules::{Pace, Plateau};
use super::shared_attributes::{
    CLIP_GLOBAL_NORM, CLIP_NORM, CLIP_VALUE, EMA_DECAY, GROUP, SCHEDULE, bound, check_share, clip,
    shared_attributes,
};
use super::{Moving, NormClip, Optimizer, OptimizerSpec, parse};
use crate::attributes::to_attributes;
use crate::kernels::{self, flush_subnormal};

pub(super) static SPEC: OptimizerSpec = OptimizerSpec {
    kind: "sgd",
    summary: "stochastic gradient descent: velocity = momentum · velocity + gradient; \
              weight -= learning_rate · velocity",
    attributes: &[
        ("learning_rate", "scales the move of every step, at least 0; default 0.01"),
        ("momentum", "the share of the velocity that stays, 0 <= momentum < 1; default 0"),
        ("nesterov", "moves by gradient + momentum · velocity; needs momentum; default false"),
        SCHEDULE,
        CLIP_VALUE,
        CLIP_NORM,
        CLIP_GLOBAL_NORM,
        EMA_DECAY,
        GROUP,
    ],
    parse: parse::<Sgd>,
    samples: &[
        "",
        "learning_rate = 0.1\nmomentum = 0.9",
        "momentum = 0.5\nnesterov = true",
        "clip_value = 0.1\nschedule = { kind = \"inverse_time\", decay = 0.01, warm_up = 2 }",
        "momentum = 0.5\nclip_value = 0.1",
        "momentum = 0.5\nnesterov = true\nclip_norm = 1.0\nschedule = { kind = \"inverse_time\", decay = 0.01 }",
        "clip_global_norm = 1.0\nema_decay = 0.99",
    ],
};

/// Stochastic gradient descent with momentum, in `PyTorch`'s form: the learning rate stands outside
/// the velocity, `velocity = momentum · velocity + gradient` and `weight -= rate · velocity`. With
/// Nesterov's momentum, `weight -= rate · (gradient + momentum · velocity)` (Sutskever, Martens, Dahl
/// and Hinton 2013, section 2, in the variables of the next step).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sgd {
    #[serde(default = "default_rate")]
    learning_rate: f32,
    #[serde(default)]
    momentum: f32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    nesterov: bool,
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

impl Default for Sgd {
    fn default() -> Self {
        Self::new(default_rate())
    }
}

impl Sgd {
    /// Plain descent at `learning_rate`.
    pub fn new(learning_rate: f32) -> Self {
        Self {
            learning_rate,
            momentum: 0.0,
            nesterov: false,
            schedule: Pace::default(),
            clip_value: None,
            clip_norm: None,
            clip_global_norm: None,
            group: ParameterGroups::default(),
            ema_decay: None,
        }
    }

    /// With momentum: the share of the velocity that stays from one step to the next.
    #[must_use]
    pub fn momentum(mut self, momentum: f32) -> Self {
        self.momentum = momentum;
        self
    }

    /// Looks ahead: moves by the gradient and the velocity's share in the step after it.
    #[must_use]
    pub fn nesterov(mut self) -> Self {
        self.nesterov = true;
        self
    }
}

shared_attributes!(Sgd);

impl Optimizer for Sgd {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), String> {
        check_share("momentum", self.momentum)?;
        if self.nesterov && self.momentum == 0.0 {
            return Err("`nesterov` needs a `momentum` above 0".to_owned());
        }
        self.check_shared()
    }

    fn learning_rate(&self, step: u64) -> f32 {
        self.rate(step)
    }

    fn state(&self) -> &'static [&'static str] {
        if self.momentum == 0.0 { &[] } else { &["velocity"] }
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
        match (state, self.nesterov, self.clip_value) {
            ([], _, None) => kernels::sgd(weights, gradient, rate, store),
            ([], _, Some(_)) => {
                kernels::move_each(weights, gradient, [], store, |weight, gradient, []| {
                    (weight - rate * clip(gradient, most), [])
                });
            }
            ([velocity, ..], false, None) => {
                kernels::sgd_momentum(weights, velocity, gradient, [rate, momentum], store);
            }
            ([velocity, ..], nesterov, _) => {
                // The share of the velocity and of the gradient in the step.
                let [of_velocity, of_gradient] =
                    if nesterov { [momentum, 1.0] } else { [1.0, 0.0] };
                kernels::move_each(
                    weights,
                    gradient,
                    [velocity],
                    store,
                    |weight, gradient, [velocity]| {
                        let gradient = clip(gradient, most);
                        let velocity = flush_subnormal(momentum * velocity + gradient);
                        let step = of_velocity * velocity + of_gradient * gradient;
                        (weight - rate * step, [velocity])
                    },
                );
            }
        }
        Ok(())
    }
}
