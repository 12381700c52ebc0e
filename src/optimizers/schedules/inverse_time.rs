//! A rate that falls like one over the time.

use serde::{Deserialize, Serialize};

use super::{LearningRateSchedule, ScheduleSpec, parse};
use crate::attributes::to_attributes;

pub(super) static SPEC: ScheduleSpec = ScheduleSpec {
    kind: "inverse_time",
    summary: "rate / (1 + decay · step)",
    attributes: &[("decay", "how fast it falls, at least 0; required")],
    parse: parse::<InverseTime>,
    samples: &["decay = 0.01", "decay = 0.0"],
};

/// `1 / (1 + decay · step)`: the decay that Robbins and Monro (1951) need for convergence.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InverseTime {
    decay: f64,
}

impl InverseTime {
    /// The rate is halved after `1 / decay` steps.
    pub fn new(decay: f64) -> Self {
        Self { decay }
    }
}

impl LearningRateSchedule for InverseTime {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), String> {
        if self.decay.is_finite() && self.decay >= 0.0 {
            return Ok(());
        }
        Err(format!("`decay` is {}, not a number >= 0", self.decay))
    }

    fn factor(&self, step: u64) -> f64 {
        1.0 / (1.0 + self.decay * step as f64)
    }
}
