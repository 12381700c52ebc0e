//! Steps that shrink with the sum of squared gradients.

use serde::{Deserialize, Serialize};

use super::parameter_group::{ParameterGroup, ParameterGroups};
use super::schedules::{Pace, Plateau};
use super::shared_attributes::{
    CLIP_GLOBAL_NORM, CLIP_NORM, CLIP_VALUE, EMA_DECAY, GROUP, SCHEDULE, bound, check_not_negative,
    clip, quotient, shared_attributes,
};
use super::{Moving, NormClip, Optimizer, OptimizerSpec, parse};
use crate::attributes::to_attributes;
use crate::kernels;

pub(super) static SPEC: OptimizerSpec = OptimizerSpec {
    kind: "adagrad",
    summary: "sum += gradient²; weight -= learning_rate · gradient / (√sum + epsilon)",
    attributes: &[
        ("learning_rate", "scales the move of every step, at least 0; default 0.01"),
        ("epsilon", "added after the root, at least 0; default 1e-10"),
        SCHEDULE,
        CLIP_VALUE,
        CLIP_NORM,
        CLIP_GLOBAL_NORM,
        EMA_DECAY,
        GROUP,
    ],
    parse: parse::<AdaGrad>,
    samples: &[
        "",
        "learning_rate = 0.1\nepsilon = 1e-8\nclip_value = 0.5",
        "clip_norm = 1.0\nschedule = { kind = \"inverse_time\", decay = 0.01 }",
    ],
};

/// Adaptive gradients (Duchi, Hazan and Singer 2011, figure 1 with a diagonal matrix), in `PyTorch`'s
/// form: the sum starts at 0, and epsilon is added after the root.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaGrad {
    #[serde(default = "default_rate")]
    learning_rate: f32,
    #[serde(default = "default_epsilon")]
    epsilon: f64,
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

fn default_epsilon() -> f64 {
    1e-10
}

impl Default for AdaGrad {
    fn default() -> Self {
        Self::new(default_rate())
    }
}

impl AdaGrad {
    /// With this learning rate, and defaults otherwise.
    pub fn new(learning_rate: f32) -> Self {
        Self {
            learning_rate,
            epsilon: default_epsilon(),
            schedule: Pace::default(),
            clip_value: None,
            clip_norm: None,
            clip_global_norm: None,
            group: ParameterGroups::default(),
            ema_decay: None,
        }
    }

    /// Is added to the root of the sum.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }
}

shared_attributes!(AdaGrad);

impl Optimizer for AdaGrad {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), String> {
        check_not_negative("epsilon", self.epsilon)?;
        self.check_shared()
    }

    fn learning_rate(&self, step: u64) -> f32 {
        self.rate(step)
    }

    fn state(&self) -> &'static [&'static str] {
        &["sum"]
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
        let [sum, ..] = state else { return Err("the state has no `sum`".to_owned()) };
        let epsilon = self.epsilon as f32;
        let most = bound(self.clip_value);
        kernels::move_each(weights, gradient, [sum], store, |weight, gradient, [sum]| {
            let gradient = clip(gradient, most);
            let sum = sum + gradient * gradient;
            (weight - rate * quotient(gradient, sum.sqrt() + epsilon), [sum])
        });
        Ok(())
    }
}
