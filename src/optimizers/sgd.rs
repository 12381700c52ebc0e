//! Stochastic gradient descent with momentum.

use serde::{Deserialize, Serialize};

use super::{Moving, Optimizer, OptimizerSpec, parse};
use crate::kernels;
use crate::layers::to_attributes;

pub(super) static SPEC: OptimizerSpec = OptimizerSpec {
    kind: "sgd",
    summary: "stochastic gradient descent: velocity = momentum · velocity + gradient; \
              weight -= learning_rate · velocity",
    attributes: &[("learning_rate", "default 0.01"), ("momentum", "default 0")],
    parse: parse::<Sgd>,
    samples: &["", "learning_rate = 0.1\nmomentum = 0.9"],
};

/// Stochastic gradient descent with momentum, in `PyTorch`'s form: the learning rate stands outside
/// the velocity.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sgd {
    #[serde(default = "default_rate")]
    learning_rate: f32,
    #[serde(default)]
    momentum: f32,
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
        Self { learning_rate, momentum: 0.0 }
    }

    /// With momentum: the share of the velocity that stays from one step to the next.
    #[must_use]
    pub fn momentum(mut self, momentum: f32) -> Self {
        self.momentum = momentum;
        self
    }
}

impl Optimizer for Sgd {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), String> {
        if !self.learning_rate.is_finite() || self.learning_rate < 0.0 {
            return Err(format!("learning_rate is {}, not a number >= 0", self.learning_rate));
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return Err(format!("momentum is {}, not in 0 <= momentum < 1", self.momentum));
        }
        Ok(())
    }

    fn learning_rate(&self, _step: u64) -> f32 {
        self.learning_rate
    }

    fn state(&self) -> &'static [&'static str] {
        if self.momentum == 0.0 { &[] } else { &["velocity"] }
    }

    fn can_fail(&self) -> bool {
        false
    }

    fn update(&self, moving: Moving<'_>) -> Result<(), String> {
        match moving.state {
            [velocity, ..] => kernels::sgd_momentum(
                moving.weights,
                velocity,
                moving.gradient,
                self.learning_rate,
                self.momentum,
            ),
            [] => kernels::sgd(moving.weights, moving.gradient, self.learning_rate),
        }
        Ok(())
    }
}
