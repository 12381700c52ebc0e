//! A rate that falls by a power of what is left.

use serde::{Deserialize, Serialize};

use super::{LearningRateSchedule, ScheduleSpec, check_share, check_steps, parse};
use crate::attributes::to_attributes;

pub(super) static SPEC: ScheduleSpec = ScheduleSpec {
    kind: "polynomial",
    summary: "rate · (end + (1 - end) · (1 - step / steps)^power), constant after `steps` steps",
    attributes: &[
        ("steps", "steps from the full rate to the last one, at least 1; required"),
        ("power", "1 for a straight line, above 0; default 1"),
        ("end", "the share of the rate that is left then, 0 to 1; default 0"),
    ],
    parse: parse::<Polynomial>,
    samples: &["steps = 1000", "steps = 10\npower = 2.0\nend = 0.1"],
};

/// `end + (1 - end) · (1 - step / steps)^power`, and `end` after `steps` steps, as `PyTorch`'s `PolynomialLR`, which
/// ends at 0.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Polynomial {
    steps: u64,
    #[serde(default = "one")]
    power: f64,
    #[serde(default)]
    end: f64,
}

fn one() -> f64 {
    1.0
}

impl Polynomial {
    /// From the full rate to 0 in `steps` steps, along a straight line.
    pub fn new(steps: u64) -> Self {
        Self { steps, power: one(), end: 0.0 }
    }

    /// Falls by this power of the share of steps that is left.
    #[must_use]
    pub fn power(mut self, power: f64) -> Self {
        self.power = power;
        self
    }

    /// Ends at this share of the rate.
    #[must_use]
    pub fn end(mut self, end: f64) -> Self {
        self.end = end;
        self
    }
}

impl LearningRateSchedule for Polynomial {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), String> {
        check_steps("steps", self.steps)?;
        check_share("end", self.end)?;
        if self.power.is_finite() && self.power > 0.0 {
            return Ok(());
        }
        Err(format!("`power` is {}, not a number above 0", self.power))
    }

    fn factor(&self, step: u64) -> f64 {
        let left = 1.0 - step.min(self.steps) as f64 / self.steps.max(1) as f64;
        self.end + (1.0 - self.end) * left.powf(self.power)
    }
}
