//! Adam whose weights also decay.

use serde::{Deserialize, Serialize};

use super::adam::Moments;
use super::parameter_group::{Decays, ParameterGroup, ParameterGroups};
use super::schedules::{Pace, Plateau};
use super::shared_attributes::{
    CLIP_GLOBAL_NORM, CLIP_NORM, CLIP_VALUE, DECAYS, EMA_DECAY, GROUP, SCHEDULE, bound,
    check_not_negative, check_share, clip, shared_attributes,
};
use super::{Moving, NormClip, Optimizer, OptimizerSpec, parse};
use crate::attributes::to_attributes;
use crate::kernels;

pub(super) static SPEC: OptimizerSpec = OptimizerSpec {
    kind: "adamw",
    summary: "as adam, after weight *= 1 - learning_rate · weight_decay",
    attributes: &[
        ("learning_rate", "scales the move of every step, at least 0; default 0.001"),
        ("beta1", "what stays of the running mean, 0 <= beta1 < 1; default 0.9"),
        ("beta2", "what stays of the running mean of squares, 0 <= beta2 < 1; default 0.999"),
        ("epsilon", "added after the root, at least 0; default 1e-8"),
        ("weight_decay", "pulls every weight towards 0, at least 0; default 0.01"),
        DECAYS,
        SCHEDULE,
        CLIP_VALUE,
        CLIP_NORM,
        CLIP_GLOBAL_NORM,
        EMA_DECAY,
        GROUP,
    ],
    parse: parse::<AdamW>,
    samples: &[
        "",
        "weight_decay = 0.1\nlearning_rate = 0.01",
        "clip_value = 0.5\nweight_decay = 0.0",
        "weight_decay = 0.1\ndecays = \"weights\"\ngroup = [{ pattern = \"*.weight\", weight_decay = 0.01, learning_rate_factor = 0.5 }]",
    ],
};

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2), in `PyTorch`'s form:
/// first `weight *= 1 - rate · weight_decay`, then the step of [`super::Adam`]. Every parameter decays,
/// biases as well, unless [`AdamW::decays`] or a group says otherwise.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamW {
    #[serde(default = "default_rate")]
    learning_rate: f32,
    #[serde(default = "default_beta1")]
    beta1: f64,
    #[serde(default = "default_beta2")]
    beta2: f64,
    #[serde(default = "default_epsilon")]
    epsilon: f64,
    #[serde(default = "default_decay")]
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
    0.001
}

fn default_beta1() -> f64 {
    0.9
}

fn default_beta2() -> f64 {
    0.999
}

fn default_epsilon() -> f64 {
    1e-8
}

fn default_decay() -> f64 {
    0.01
}

impl Default for AdamW {
    fn default() -> Self {
        Self::new(default_rate())
    }
}

impl AdamW {
    /// With this learning rate, and defaults otherwise.
    pub fn new(learning_rate: f32) -> Self {
        Self {
            learning_rate,
            beta1: default_beta1(),
            beta2: default_beta2(),
            epsilon: default_epsilon(),
            weight_decay: default_decay(),
            decays: Decays::default(),
            schedule: Pace::default(),
            clip_value: None,
            clip_norm: None,
            clip_global_norm: None,
            group: ParameterGroups::default(),
            ema_decay: None,
        }
    }

    /// What stays of the running mean from one step to the next.
    #[must_use]
    pub fn beta1(mut self, beta1: f64) -> Self {
        self.beta1 = beta1;
        self
    }

    /// What stays of the running mean of squares from one step to the next.
    #[must_use]
    pub fn beta2(mut self, beta2: f64) -> Self {
        self.beta2 = beta2;
        self
    }

    /// Is added to the root of the corrected mean of squares.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
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

shared_attributes!(AdamW);

impl Optimizer for AdamW {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), String> {
        check_share("beta1", self.beta1)?;
        check_share("beta2", self.beta2)?;
        check_not_negative("epsilon", self.epsilon)?;
        check_not_negative("weight_decay", self.weight_decay)?;
        self.check_shared()
    }

    fn learning_rate(&self, step: u64) -> f32 {
        self.rate(step)
    }

    fn state(&self) -> &'static [&'static str] {
        &["mean", "square"]
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
        let Moving { weights, gradient, state, store, step, .. } = moving;
        let [mean, square, ..] = state else { return Err("the state has no `square`".to_owned()) };
        let moments = Moments::new([self.beta1, self.beta2], self.epsilon, rate, step);
        let most = bound(self.clip_value);
        let stays = (1.0 - f64::from(rate) * decay) as f32;
        let state = [&mut **mean, &mut **square];
        kernels::move_each(weights, gradient, state, store, |weight, gradient, state| {
            let (change, state) = moments.step(clip(gradient, most), state);
            (stays * weight - change, state)
        });
        Ok(())
    }
}
