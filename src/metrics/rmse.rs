//! The root of the mean squared error.

use super::{Metric, MetricSpec, parse_plain};
use crate::context::Context;
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Sample};

pub(super) static SPEC: MetricSpec = MetricSpec {
    kind: "rmse",
    summary: "root of the mean of (prediction - target)² over all numbers",
    attributes: &[],
    parse: parse_plain::<Rmse>,
    samples: &[
        Sample { attributes: "", inputs: &[&[3], &[3]] },
        Sample { attributes: "", inputs: &[&[], &[]] },
        Sample { attributes: "", inputs: &[&[2, 3, 2], &[2, 3, 2]] },
    ],
};

/// The root of the mean of `(prediction - target)²` over all numbers of all items; prediction and target have
/// one shape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rmse;

impl Metric for Rmse {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        super::check_numbers(inputs)
    }

    fn statistics(&self, inputs: &[&[usize]]) -> usize {
        2 * inputs[0].iter().product::<usize>()
    }

    fn sums(&self, _inputs: &[&[usize]]) -> usize {
        2
    }

    fn forward(&self, context: &Context<'_>, statistics: MatrixMut<'_>) -> Result<(), String> {
        super::pairs(context, statistics);
        Ok(())
    }

    fn add(&self, sums: &mut Vec<f64>, item: &[f32]) {
        super::add_errors(sums, item, |error| error * error);
    }

    fn higher_is_better(&self) -> bool {
        false
    }

    fn value(&self, sums: &[f64], _items: usize) -> f64 {
        super::share(sums).sqrt()
    }
}
