//! Running means of the gradient and its square.

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
    kind: "adam",
    summary: "weight -= learning_rate · mean / (√square + epsilon), of bias-corrected running means of gradient and gradient²",
    attributes: &[
        ("learning_rate", "scales the move of every step, at least 0; default 0.001"),
        ("beta1", "what stays of the running mean, 0 <= beta1 < 1; default 0.9"),
        ("beta2", "what stays of the running mean of squares, 0 <= beta2 < 1; default 0.999"),
        ("epsilon", "added after the root, at least 0; default 1e-8"),
        SCHEDULE,
        CLIP_VALUE,
        CLIP_NORM,
        CLIP_GLOBAL_NORM,
        EMA_DECAY,
        GROUP,
    ],
    parse: parse::<Adam>,
    samples: &[
        "",
        "learning_rate = 0.01\nbeta1 = 0.8\nbeta2 = 0.99\nepsilon = 1e-6",
        "clip_value = 0.5",
    ],
};

/// Adaptive moments (Kingma and Ba 2015, algorithm 1), in `PyTorch`'s form: with
/// `mean = beta1 · mean + (1 - beta1) · gradient` and `square = beta2 · square + (1 - beta2) ·
/// gradient²`, in step `t`, counted from 1, `weight -= rate · m / (√s + epsilon)`, where
/// `m = mean / (1 - beta1^t)` and `s = square / (1 - beta2^t)`. Epsilon is added after the root and
/// the correction.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adam {
    #[serde(default = "default_rate")]
    learning_rate: f32,
    #[serde(default = "default_beta1")]
    beta1: f64,
    #[serde(default = "default_beta2")]
    beta2: f64,
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

impl Default for Adam {
    fn default() -> Self {
        Self::new(default_rate())
    }
}

impl Adam {
    /// With this learning rate, and defaults otherwise.
    pub fn new(learning_rate: f32) -> Self {
        Self {
            learning_rate,
            beta1: default_beta1(),
            beta2: default_beta2(),
            epsilon: default_epsilon(),
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
}

shared_attributes!(Adam);

impl Optimizer for Adam {
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
        let Moving { weights, gradient, state, store, step, .. } = moving;
        let [mean, square, ..] = state else { return Err("the state has no `square`".to_owned()) };
        let moments = Moments::new([self.beta1, self.beta2], self.epsilon, rate, step);
        let most = bound(self.clip_value);
        let state = [&mut **mean, &mut **square];
        kernels::move_each(weights, gradient, state, store, |weight, gradient, state| {
            let (change, state) = moments.step(clip(gradient, most), state);
            (weight - change, state)
        });
        Ok(())
    }
}

/// Bias-corrected running means of the gradient and its square, which [`super::AdamW`] has as well.
pub(super) struct Moments {
    keep: [f32; 2],
    new: [f32; 2],
    epsilon: f32,
    /// The learning rate over the correction of the mean.
    rate: f32,
    /// The root of the correction of the square.
    root: f32,
    least_square: f32,
}

impl Moments {
    pub(super) fn new(betas: [f64; 2], epsilon: f64, rate: f32, step: u64) -> Self {
        let step = step as f64 + 1.0;
        let [mean, square] = betas.map(|beta| 1.0 - beta.powf(step));
        let (epsilon, root) = (epsilon as f32, square.sqrt() as f32);
        Self {
            keep: betas.map(|beta| beta as f32),
            new: betas.map(|beta| (1.0 - beta) as f32),
            epsilon,
            rate: (f64::from(rate) / mean) as f32,
            root,
            least_square: least_square(epsilon, root),
        }
    }

    /// By how much the weight moves, and the new means.
    #[inline]
    pub(super) fn step(&self, gradient: f32, [mean, square]: [f32; 2]) -> (f32, [f32; 2]) {
        let mean = flush_subnormal(self.keep[0] * mean + self.new[0] * gradient);
        let square = self.keep[1] * square + self.new[1] * (gradient * gradient);
        let square = if square < self.least_square { 0.0 } else { square };
        let change = self.rate * quotient(mean, square.sqrt() / self.root + self.epsilon);
        (change, [mean, square])
    }
}
