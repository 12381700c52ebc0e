//! Steps of one size, in the direction of a running mean.

use serde::{Deserialize, Serialize};

use super::parameter_group::{Decays, ParameterGroup, ParameterGroups};
use super::schedules::{Pace, Plateau};
use super::shared_attributes::{
    CLIP_GLOBAL_NORM, CLIP_NORM, CLIP_VALUE, DECAYS, EMA_DECAY, GROUP, SCHEDULE, bound,
    check_not_negative, check_share, clip, shared_attributes,
};
use super::{Moving, NormClip, Optimizer, OptimizerSpec, parse};
use crate::attributes::to_attributes;
use crate::kernels::{self, flush_subnormal};

pub(super) static SPEC: OptimizerSpec = OptimizerSpec {
    kind: "lion",
    summary: "weight -= learning_rate · (sign(beta1 · mean + (1 - beta1) · gradient) + weight_decay · weight); mean = beta2 · mean + (1 - beta2) · gradient",
    attributes: &[
        ("learning_rate", "scales the move of every step, at least 0; default 0.0001"),
        ("beta1", "share of the mean in the direction, 0 <= beta1 < 1; default 0.9"),
        ("beta2", "what stays of the mean, 0 <= beta2 < 1; default 0.99"),
        ("weight_decay", "pulls every weight towards 0, at least 0; default 0"),
        DECAYS,
        SCHEDULE,
        CLIP_VALUE,
        CLIP_NORM,
        CLIP_GLOBAL_NORM,
        EMA_DECAY,
        GROUP,
    ],
    parse: parse::<Lion>,
    samples: &[
        "",
        "weight_decay = 0.1\nlearning_rate = 0.001",
        "beta1 = 0.95\nbeta2 = 0.98\nclip_value = 0.5",
    ],
};

/// Evolved sign momentum (Chen et al. 2023, algorithm 2): first `weight *= 1 - rate · weight_decay`,
/// then `weight -= rate · sign(beta1 · mean + (1 - beta1) · gradient)`, then `mean = beta2 · mean +
/// (1 - beta2) · gradient`. The sign of 0 is 0. Rates are three to ten times smaller than Adam's.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lion {
    #[serde(default = "default_rate")]
    learning_rate: f32,
    #[serde(default = "default_beta1")]
    beta1: f64,
    #[serde(default = "default_beta2")]
    beta2: f64,
    #[serde(default)]
    weight_decay: f64,
    #[serde(default, skip_serializing_if = "Decays::is_all")]
    decays: Decays,
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
    0.0001
}

fn default_beta1() -> f64 {
    0.9
}

fn default_beta2() -> f64 {
    0.99
}

impl Default for Lion {
    fn default() -> Self {
        Self::new(default_rate())
    }
}

impl Lion {
    /// With this learning rate, and defaults otherwise.
    pub fn new(learning_rate: f32) -> Self {
        Self {
            learning_rate,
            beta1: default_beta1(),
            beta2: default_beta2(),
            weight_decay: 0.0,
            decays: Decays::default(),
            schedule: Pace::default(),
            clip_value: None,
            clip_norm: None,
            clip_global_norm: None,
            group: ParameterGroups::default(),
            ema_decay: None,
        }
    }

    /// The share of the running mean in the direction of a step.
    #[must_use]
    pub fn beta1(mut self, beta1: f64) -> Self {
        self.beta1 = beta1;
        self
    }

    /// What stays of the running mean from one step to the next.
    #[must_use]
    pub fn beta2(mut self, beta2: f64) -> Self {
        self.beta2 = beta2;
        self
    }

    /// The share of a weight, times the learning rate, that a step takes away.
    #[must_use]
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = weight_decay;
        self
    }

    /// Which parameters decay, where no group says it.
    #[must_use]
    pub fn decays(mut self, decays: Decays) -> Self {
        self.decays = decays;
        self
    }
}

shared_attributes!(Lion);

impl Optimizer for Lion {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), String> {
        check_share("beta1", self.beta1)?;
        check_share("beta2", self.beta2)?;
        check_not_negative("weight_decay", self.weight_decay)?;
        self.check_shared()
    }

    fn learning_rate(&self, step: u64) -> f32 {
        self.rate(step)
    }

    fn state(&self) -> &'static [&'static str] {
        &["mean"]
    }

    fn norm_clip(&self) -> Option<NormClip> {
        self.shared_norm_clip()
    }

    fn weight_decay_of(&self, axes: usize) -> Option<f64> {
        Some(self.decays.of(self.weight_decay, axes))
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
        let decay = moving.weight_decay.unwrap_or(self.weight_decay);
        let Moving { weights, gradient, state, store, .. } = moving;
        let [mean, ..] = state else { return Err("the state has no `mean`".to_owned()) };
        let most = bound(self.clip_value);
        let keep = [self.beta1, self.beta2].map(|beta| beta as f32);
        let new = [self.beta1, self.beta2].map(|beta| (1.0 - beta) as f32);
        let stays = (1.0 - f64::from(rate) * decay) as f32;
        kernels::move_each(weights, gradient, [mean], store, |weight, gradient, [mean]| {
            let gradient = clip(gradient, most);
            let direction = keep[0] * mean + new[0] * gradient;
            // NaN is neither above nor below 0, but must not pass for it.
            let up = if direction > 0.0 { rate } else { rate * direction };
            let change = if direction < 0.0 { -rate } else { up };
            let mean = flush_subnormal(keep[1] * mean + new[1] * gradient);
            (stays * weight - change, [mean])
        });
        Ok(())
    }
}
