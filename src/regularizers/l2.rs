//! Cost by squares.

use serde::{Deserialize, Serialize};

use super::{Regularizer, RegularizerSpec, check_rate, parse};
use crate::attributes::to_attributes;
use crate::kernels;

pub(super) static SPEC: RegularizerSpec = RegularizerSpec {
    kind: "l2",
    summary: "cost = rate · Σ weight², which keeps weights small",
    attributes: &[("rate", "by what the sum is multiplied, at least 0; required")],
    parse: parse::<L2>,
    samples: &["rate = 0.01", "rate = 2.0"],
};

/// Costs `rate · Σ weight²`, as in Keras; its gradient is `2 · rate · weight`. The `weight_decay` of
/// `PyTorch`'s optimizers, where it is coupled, is twice this rate.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L2 {
    rate: f32,
}

impl L2 {
    /// At this rate.
    pub fn new(rate: f32) -> Self {
        Self { rate }
    }
}

impl Regularizer for L2 {
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
        let square = |weight: f32| f64::from(weight) * f64::from(weight);
        f64::from(self.rate) * kernels::sum_each(weights, square)
    }

    fn add_gradient(&self, weights: &[f32], gradient: &mut [f32]) {
        let twice = 2.0 * self.rate;
        kernels::move_each(
            gradient,
            weights,
            [],
            kernels::Store::Cached,
            |gradient, weight, []| (gradient + twice * weight, []),
        );
    }
}
