//! Cost by absolute values.

use serde::{Deserialize, Serialize};

use super::{Regularizer, RegularizerSpec, check_rate, parse};
use crate::attributes::to_attributes;
use crate::kernels;

pub(super) static SPEC: RegularizerSpec = RegularizerSpec {
    kind: "l1",
    summary: "cost = rate · Σ |weight|, which brings weights to 0",
    attributes: &[("rate", "by what the sum is multiplied, at least 0; required")],
    parse: parse::<L1>,
    samples: &["rate = 0.01", "rate = 2.0"],
};

/// Costs `rate · Σ |weight|`. Its gradient is `rate` times the sign, and 0 where the weight is 0.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1 {
    rate: f32,
}

impl L1 {
    /// At this rate.
    pub fn new(rate: f32) -> Self {
        Self { rate }
    }
}

/// `rate` with the sign of the weight; 0 for 0, and NaN for NaN.
#[inline]
pub(super) fn slope(weight: f32, rate: f32) -> f32 {
    if weight > 0.0 {
        rate
    } else if weight < 0.0 {
        -rate
    } else {
        rate * weight
    }
}

impl Regularizer for L1 {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), String> {
        check_rate("rate", self.rate)
    }

    fn cost(&self, weights: &[f32]) -> f64 {
        f64::from(self.rate) * kernels::sum_each(weights, |weight| f64::from(weight.abs()))
    }

    fn add_gradient(&self, weights: &[f32], gradient: &mut [f32]) {
        let rate = self.rate;
        kernels::move_each(
            gradient,
            weights,
            [],
            kernels::Store::Cached,
            |gradient, weight, []| (gradient + slope(weight, rate), []),
        );
    }
}
