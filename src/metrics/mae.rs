//! The mean absolute error.

use super::{Metric, MetricSpec, parse_plain};
use crate::context::Context;
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Sample};

pub(super) static SPEC: MetricSpec = MetricSpec {
    kind: "mae",
    summary: "mean of |prediction - target| over all numbers",
    attributes: &[],
    parse: parse_plain::<Mae>,
    samples: &[
        Sample { attributes: "", inputs: &[&[3], &[3]] },
        Sample { attributes: "", inputs: &[&[], &[]] },
        Sample { attributes: "", inputs: &[&[2, 3, 2], &[2, 3, 2]] },
    ],
};

/// The mean of `|prediction - target|` over all numbers of all items; prediction and target have
/// one shape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mae;

impl Metric for Mae {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        super::check_numbers(inputs)
    }

    fn statistics(&self, _inputs: &[&[usize]]) -> usize {
        1
    }

    fn forward(&self, context: &Context<'_>, mut statistics: MatrixMut<'_>) -> Result<(), String> {
        let (prediction, target) = (context.input(0), context.input(1));
        let rows = prediction.rows() / context.items().max(1);
        for item in 0..context.items() {
            let mut sum = 0.0f64;
            for row in item * rows..(item + 1) * rows {
                for (p, t) in prediction.row(row).iter().zip(target.row(row)) {
                    sum += f64::from(p - t).abs();
                }
            }
            statistics.row_mut(item)[0] = (sum / (rows * prediction.cols()) as f64) as f32;
        }
        Ok(())
    }

    fn higher_is_better(&self) -> bool {
        false
    }

    fn value(&self, sums: &[f64], items: usize) -> f64 {
        sums[0] / items as f64
    }
}
