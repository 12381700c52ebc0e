//! A rate that falls by the same factor in every step.

use serde::{Deserialize, Serialize};

use super::{LearningRateSchedule, ScheduleSpec, check_share, check_steps, parse};
use crate::attributes::to_attributes;

pub(super) static SPEC: ScheduleSpec = ScheduleSpec {
    kind: "exponential",
    summary: "rate · factor^(step / steps)",
    attributes: &[
        ("factor", "what is left of the rate after `steps` steps, 0 to 1; required"),
        ("steps", "how many steps that takes, at least 1; default 1"),
    ],
    parse: parse::<Exponential>,
    samples: &["factor = 0.99", "factor = 0.5\nsteps = 1000"],
};

/// `factor^(step / steps)`, without jumps.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exponential {
    factor: f64,
    #[serde(default = "one")]
    steps: u64,
}

fn one() -> u64 {
    1
}

impl Exponential {
    /// Multiplies the rate by `factor` in the course of `steps` steps.
    pub fn new(factor: f64, steps: u64) -> Self {
        Self { factor, steps }
    }
}

impl LearningRateSchedule for Exponential {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), String> {
        check_share("factor", self.factor)?;
        check_steps("steps", self.steps)
    }

    fn factor(&self, step: u64) -> f64 {
        self.factor.powf(step as f64 / self.steps.max(1) as f64)
    }
}
