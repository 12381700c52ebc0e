//! The same rate in every step.

use serde::{Deserialize, Serialize};

use super::{LearningRateSchedule, ScheduleSpec, parse};
use crate::attributes::to_attributes;

pub(super) static SPEC: ScheduleSpec = ScheduleSpec {
    kind: "constant",
    summary: "the same learning rate in every step",
    attributes: &[],
    parse: parse::<Constant>,
    samples: &[""],
};

/// The same rate in every step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {}

impl LearningRateSchedule for Constant {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn factor(&self, _step: u64) -> f64 {
        1.0
    }
}
