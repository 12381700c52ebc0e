//! Cost by absolute values and by squares.

use serde::{Deserialize, Serialize};

use super::l1::slope;
use super::{Regularizer, RegularizerSpec, check_rate, parse};
use crate::attributes::to_attributes;
use crate::kernels;

pub(super) static SPEC: RegularizerSpec = RegularizerSpec {
    kind: "l1_l2",
    summary: "cost = l1 · Σ |weight| + l2 · Σ weight²",
    attributes: &[
        ("l1", "the rate of the absolute values, at least 0; required"),
        ("l2", "the rate of the squares, at least 0; required"),
    ],
    parse: parse::<L1L2>,
    samples: &["l1 = 0.01\nl2 = 0.02", "l1 = 0.0\nl2 = 1.0", "l1 = 1.0\nl2 = 0.0"],
};

/// Costs `l1 · Σ |weight| + l2 · Σ weight²`: [`super::L1`] and [`super::L2`] together (the elastic net
/// of Zou and Hastie 2005).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1L2 {
    l1: f32,
    l2: f32,
}

impl L1L2 {
    /// At these rates.
    pub fn new(l1: f32, l2: f32) -> Self {
        Self { l1, l2 }
    }
}

impl Regularizer for L1L2 {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), String> {
        check_rate("l1", self.l1)?;
        check_rate("l2", self.l2)
    }

    fn cost(&self, weights: &[f32]) -> f64 {
        let [l1, l2] = [self.l1, self.l2].map(f64::from);
        kernels::sum_each(weights, |weight| {
            let size = f64::from(weight.abs());
            l1 * size + l2 * (size * size)
        })
    }

    fn add_gradient(&self, weights: &[f32], gradient: &mut [f32]) {
        let (l1, twice) = (self.l1, 2.0 * self.l2);
        kernels::move_each(
            gradient,
            weights,
            [],
            kernels::Store::Cached,
            |gradient, weight, []| (gradient + (slope(weight, l1) + twice * weight), []),
        );
    }
}
