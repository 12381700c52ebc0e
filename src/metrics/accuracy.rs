//! The share of items whose largest score stands at the right class.

use super::{Metric, MetricSpec, parse_plain};
use crate::executor::Context;
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Sample};
use crate::tensor::describe_shape;

pub(super) static SPEC: MetricSpec = MetricSpec {
    kind: "accuracy",
    summary: "share of rows whose largest score stands at the target's class index",
    attributes: &[],
    parse: parse_plain::<Accuracy>,
    samples: &[
        Sample { attributes: "", inputs: &[&[4], &[]] },
        Sample { attributes: "", inputs: &[&[2, 3], &[2]] },
    ],
};

/// Scores of shape `[…, classes]` against class indices of shape `[…]`; between equal scores the
/// first counts as largest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Accuracy;

impl Metric for Accuracy {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        match inputs[0].split_last() {
            Some((_, rows)) if rows == inputs[1] => Ok(()),
            _ => Err(Misfit::new(
                format!(
                    "scores of shape {} need class indices of that shape without its last axis, \
                     not {}",
                    describe_shape(inputs[0]),
                    describe_shape(inputs[1])
                ),
                "make the target one class index for every row of scores",
            )),
        }
    }

    fn statistics(&self) -> usize {
        1
    }

    fn forward(&self, context: &Context<'_>, mut statistics: MatrixMut<'_>) -> Result<(), String> {
        let (scores, labels) = (context.input(0), context.input(1));
        let rows = scores.rows() / context.items().max(1);
        let label_columns = labels.cols();
        for item in 0..context.items() {
            let mut right = 0.0;
            for row in item * rows..(item + 1) * rows {
                let scores = scores.row(row);
                let best = (1..scores.len())
                    .fold(0, |best, class| if scores[class] > scores[best] { class } else { best });
                let label = labels.row(row / label_columns)[row % label_columns];
                if best as f32 == label {
                    right += 1.0;
                }
            }
            statistics.row_mut(item)[0] = right / rows as f32;
        }
        Ok(())
    }

    fn value(&self, sums: &[f64], items: usize) -> f64 {
        sums[0] / items as f64
    }
}
