//! A rate that falls from time to time.

use serde::{Deserialize, Serialize};

use super::{LearningRateSchedule, ScheduleSpec, check_share, check_steps, parse};
use crate::attributes::to_attributes;

pub(super) static SPEC: ScheduleSpec = ScheduleSpec {
    kind: "step",
    summary: "rate · factor^⌊step / every⌋",
    attributes: &[
        ("every", "steps between two falls, at least 1; required"),
        ("factor", "what is left of the rate, 0 to 1; default 0.1"),
    ],
    parse: parse::<Step>,
    samples: &["every = 100", "every = 1\nfactor = 0.5"],
};

/// `factor^⌊step / every⌋`: the rate is multiplied by `factor` after every `every` steps.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    every: u64,
    #[serde(default = "tenth")]
    factor: f64,
}

fn tenth() -> f64 {
    0.1
}

impl Step {
    /// Multiplies the rate by `factor` after every `every` steps.
    pub fn new(every: u64, factor: f64) -> Self {
        Self { every, factor }
    }
}

impl LearningRateSchedule for Step {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), String> {
        check_steps("every", self.every)?;
        check_share("factor", self.factor)
    }

    fn factor(&self, step: u64) -> f64 {
        self.factor.powf((step / self.every.max(1)) as f64)
    }
}
