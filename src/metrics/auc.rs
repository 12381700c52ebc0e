//! How well scores tell two classes apart, whatever the threshold.

use super::{Metric, MetricSpec, parse_plain};
use crate::context::Context;
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Sample};
use crate::losses::targets::class_of;
use crate::tensor::describe_shape;

pub(super) static SPEC: MetricSpec = MetricSpec {
    kind: "auc",
    summary: "area under the receiver operating characteristic of two classes",
    attributes: &[],
    parse: parse_plain::<Auc>,
    samples: &[
        Sample { attributes: "", inputs: &[&[], &[]] },
        Sample { attributes: "", inputs: &[&[2], &[]] },
        Sample { attributes: "", inputs: &[&[3, 2], &[3]] },
        Sample { attributes: "", inputs: &[&[4], &[4]] },
    ],
};

/// Into how many equal ranges `score / (1 + |score|)`, which lies in -1..1, is divided.
const BINS: usize = 1 << 16;

/// The chance that a positive example has a larger score than a negative one, half a chance where
/// they are equal: the area under the receiver operating characteristic (Hanley and `McNeil` 1982).
///
/// The shapes say what there is. Scores and targets of one shape: every number is an example, logit
/// or probability, and positive where its target is above 0.5. Scores of shape `[…, 2]` and class
/// indices of shape `[…]`: the score is how far that of class 1 is above that of class 0.
///
/// Scores are counted in a histogram of 65,536 ranges, `(1 + |score|)² / 32768` wide: 3e-5 near 0,
/// 1e-4 at 1. Two examples within one range count as equal; apart from that the value is exact over
/// all examples. It is 0.5 where one of the classes does not occur, and NaN with a score of NaN.
#[derive(Clone, Copy, Debug, Default)]
pub struct Auc;

impl Auc {
    /// Whether two scores a row are compared with class indices, rather than number by number.
    fn two_scores(inputs: [&[usize]; 2]) -> Option<bool> {
        match inputs {
            [scores, target] if scores == target => Some(false),
            [[rows @ .., 2], target] if rows == target => Some(true),
            _ => None,
        }
    }
}

/// The range that a score lies in.
fn bin(score: f32) -> usize {
    let score = f64::from(score);
    let place = if score.is_infinite() { score.signum() } else { score / (1.0 + score.abs()) };
    (((place + 1.0) * (BINS / 2) as f64) as usize).min(BINS - 1)
}

impl Metric for Auc {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        if Self::two_scores([inputs[0], inputs[1]]).is_some() {
            return Ok(());
        }
        Err(Misfit::new(
            format!(
                "scores of shape {} do not fit a target of shape {}",
                describe_shape(inputs[0]),
                describe_shape(inputs[1])
            ),
            "give both one shape, or two scores for every class index",
        ))
    }

    fn statistics(&self, inputs: &[&[usize]]) -> usize {
        2 * inputs[1].iter().product::<usize>()
    }

    fn sums(&self, _inputs: &[&[usize]]) -> usize {
        2 * BINS + 1
    }

    fn forward(&self, context: &Context<'_>, mut statistics: MatrixMut<'_>) -> Result<(), String> {
        if Self::two_scores([context.input_shape(0), context.input_shape(1)]) != Some(true) {
            super::pairs(context, statistics);
            return Ok(());
        }
        let (scores, target) = (context.input(0), context.input(1));
        let rows = super::rows(context.input_shape(0));
        for row in 0..scores.rows() {
            let label = target.row(row / target.cols())[row % target.cols()];
            let class = class_of(label, row, 2)?;
            let pair = [scores.row(row)[1] - scores.row(row)[0], class as f32];
            statistics.row_mut(row / rows)[2 * (row % rows)..][..2].copy_from_slice(&pair);
        }
        Ok(())
    }

    fn add(&self, sums: &mut [f64], item: &[f32]) {
        for pair in item.chunks_exact(2) {
            if pair[0].is_nan() {
                sums[2 * BINS] += 1.0;
            } else {
                sums[2 * bin(pair[0]) + usize::from(pair[1] > 0.5)] += 1.0;
            }
        }
    }

    fn value(&self, sums: &[f64], _items: usize) -> f64 {
        let (mut negatives, mut positives, mut won) = (0.0, 0.0, 0.0);
        for bin in sums[..2 * BINS].chunks_exact(2) {
            won += bin[1] * (negatives + 0.5 * bin[0]);
            negatives += bin[0];
            positives += bin[1];
        }
        if sums[2 * BINS] > 0.0 {
            f64::NAN
        } else if negatives * positives == 0.0 {
            0.5
        } else {
            won / (negatives * positives)
        }
    }
}
