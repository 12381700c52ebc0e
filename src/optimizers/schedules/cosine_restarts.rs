//! A rate that falls along half a cosine, again and again.

use serde::{Deserialize, Serialize};

use super::{LearningRateSchedule, ScheduleSpec, check_share, check_steps, parse};
use crate::attributes::to_attributes;

pub(super) static SPEC: ScheduleSpec = ScheduleSpec {
    kind: "cosine_restarts",
    summary: "as cosine, but begins anew when it has ended (warm restarts)",
    attributes: &[
        ("steps", "steps of the first period, at least 1; required"),
        (
            "growth",
            "how many times as long each period is as the one before, at least 1; default 1",
        ),
        ("end", "the share of the rate to which each period falls, 0 to 1; default 0"),
    ],
    parse: parse::<CosineRestarts>,
    samples: &["steps = 1000", "steps = 10\ngrowth = 2\nend = 0.1"],
};

/// `end + (1 - end) · (1 + cos(π · step / period)) / 2` within a period, whose first step has the full rate
/// (Loshchilov and Hutter 2017, equation 5), as `PyTorch`'s `CosineAnnealingWarmRestarts`: `steps` is its `T_0`,
/// `growth` its `T_mult`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CosineRestarts {
    steps: u64,
    #[serde(default = "one")]
    growth: u64,
    #[serde(default)]
    end: f64,
}

fn one() -> u64 {
    1
}

impl CosineRestarts {
    /// Periods of `steps` steps, each from the full rate to 0.
    pub fn new(steps: u64) -> Self {
        Self { steps, growth: one(), end: 0.0 }
    }

    /// Makes each period this many times as long as the one before.
    #[must_use]
    pub fn growth(mut self, growth: u64) -> Self {
        self.growth = growth;
        self
    }

    /// Lets each period fall to this share of the rate.
    #[must_use]
    pub fn end(mut self, end: f64) -> Self {
        self.end = end;
        self
    }

    /// The step within its period, and how long that is.
    fn place(&self, step: u64) -> (u64, u64) {
        let (mut step, mut period) = (step, self.steps.max(1));
        if self.growth <= 1 {
            return (step % period, period);
        }
        while step >= period {
            step -= period;
            period = period.saturating_mul(self.growth);
        }
        (step, period)
    }
}

impl LearningRateSchedule for CosineRestarts {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), String> {
        check_steps("steps", self.steps)?;
        check_steps("growth", self.growth)?;
        check_share("end", self.end)
    }

    fn factor(&self, step: u64) -> f64 {
        let (step, period) = self.place(step);
        let done = step as f64 / period as f64;
        self.end + (1.0 - self.end) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
    }
}
