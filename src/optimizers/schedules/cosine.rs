//! A rate that falls along half a cosine.

use serde::{Deserialize, Serialize};

use super::{LearningRateSchedule, ScheduleSpec, check_share, check_steps, parse};
use crate::attributes::to_attributes;

pub(super) static SPEC: ScheduleSpec = ScheduleSpec {
    kind: "cosine",
    summary: "rate · (end + (1 - end) · (1 + cos(π · step / steps)) / 2), constant after `steps` steps",
    attributes: &[
        ("steps", "steps from the full rate to the last one, at least 1; required"),
        ("end", "the share of the rate that is left then, 0 to 1; default 0"),
    ],
    parse: parse::<Cosine>,
    samples: &["steps = 1000", "steps = 10\nend = 0.1"],
};

/// `end + (1 - end) · (1 + cos(π · step / steps)) / 2`, and `end` after `steps` steps (Loshchilov and
/// Hutter 2017, equation 5, without restarts).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cosine {
    steps: u64,
    #[serde(default)]
    end: f64,
}

impl Cosine {
    /// From the full rate to 0 in `steps` steps.
    pub fn new(steps: u64) -> Self {
        Self { steps, end: 0.0 }
    }

    /// Ends at this share of the rate.
    #[must_use]
    pub fn end(mut self, end: f64) -> Self {
        self.end = end;
        self
    }
}

impl LearningRateSchedule for Cosine {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), String> {
        check_steps("steps", self.steps)?;
        check_share("end", self.end)
    }

    fn factor(&self, step: u64) -> f64 {
        let done = step.min(self.steps) as f64 / self.steps.max(1) as f64;
        self.end + (1.0 - self.end) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
    }
}
