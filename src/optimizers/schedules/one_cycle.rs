//! A rate that rises, and then falls far below where it began.

use serde::{Deserialize, Serialize};

use super::{LearningRateSchedule, ScheduleSpec, check_share, check_steps, parse};
use crate::attributes::to_attributes;

pub(super) static SPEC: ScheduleSpec = ScheduleSpec {
    kind: "one_cycle",
    summary: "along half a cosine from rate · start up to rate, along another down to rate · end, constant after \
              `steps` steps",
    attributes: &[
        ("steps", "steps of the whole cycle, at least 1; required"),
        ("rise", "the share of the steps in which the rate rises, 0 to 1; default 0.3"),
        ("start", "the share of the rate with which it begins, 0 to 1; default 0.04"),
        ("end", "the share of the rate with which it ends, 0 to 1; default 4e-6"),
    ],
    parse: parse::<OneCycle>,
    samples: &["steps = 1000", "steps = 10\nrise = 0.5\nstart = 0.1\nend = 0.01"],
};

/// One cycle (Smith and Topin 2018), as `PyTorch`'s `OneCycleLR` with cosines: the optimizer's rate is the highest,
/// which step `rise · steps - 1` has; `start` is one over its `div_factor`, `end` one over that and its
/// `final_div_factor`. The last rate is that of step `steps - 1`. The momentum does not change.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneCycle {
    steps: u64,
    #[serde(default = "default_rise")]
    rise: f64,
    #[serde(default = "default_start")]
    start: f64,
    #[serde(default = "default_end")]
    end: f64,
}

fn default_rise() -> f64 {
    0.3
}

fn default_start() -> f64 {
    0.04
}

fn default_end() -> f64 {
    4e-6
}

impl OneCycle {
    /// One cycle of `steps` steps.
    pub fn new(steps: u64) -> Self {
        Self { steps, rise: default_rise(), start: default_start(), end: default_end() }
    }

    /// Rises in this share of the steps.
    #[must_use]
    pub fn rise(mut self, rise: f64) -> Self {
        self.rise = rise;
        self
    }

    /// Begins with this share of the rate.
    #[must_use]
    pub fn start(mut self, start: f64) -> Self {
        self.start = start;
        self
    }

    /// Ends with this share of the rate.
    #[must_use]
    pub fn end(mut self, end: f64) -> Self {
        self.end = end;
        self
    }
}

impl LearningRateSchedule for OneCycle {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), String> {
        check_steps("steps", self.steps)?;
        check_share("rise", self.rise)?;
        check_share("start", self.start)?;
        check_share("end", self.end)
    }

    fn factor(&self, step: u64) -> f64 {
        let along = |from: f64, to: f64, done: f64| {
            to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
        };
        let (top, last) = (self.rise * self.steps as f64 - 1.0, self.steps as f64 - 1.0);
        let step = step as f64;
        if step < top {
            return along(self.start, 1.0, step / top);
        }
        let (top, done) = (top.max(0.0), step.min(last));
        let fall = last - top;
        along(1.0, self.end, if fall > 0.0 { (done - top) / fall } else { 1.0 })
    }
}
