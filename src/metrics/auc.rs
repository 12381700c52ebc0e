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

/// The chance that a positive example has a larger score than a negative one, half a chance where
/// they are equal: the area under the receiver operating characteristic (Hanley and `McNeil` 1982).
///
/// The shapes say what there is. Scores and targets of one shape: every number is an example, logit
/// or probability, and positive where its target is above 0.5. Scores of shape `[…, 2]` and class
/// indices of shape `[…]`: the score is how far that of class 1 is above that of class 0.
///
/// The value is exact over all examples, whose scores are kept, 16 bytes for each, and sorted in the end. It
/// is undefined, NaN, where one of the classes does not occur, and where a score or a target is NaN. (The same as
/// `roc_auc_score` of scikit-learn.)
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

/// How many examples of each class come up among those that `add` has kept: negatives and positives.
fn classes(kept: &[f64]) -> [f64; 2] {
    let positives: f64 = kept.chunks_exact(2).map(|example| example[1]).sum();
    [(kept.len() / 2) as f64 - positives, positives]
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
        3 * inputs[1].iter().product::<usize>()
    }

    /// All examples are kept in place of sums.
    fn sums(&self, _inputs: &[&[usize]]) -> usize {
        0
    }

    /// Writes the score of class 0, or 0, that of class 1, and the class of every example.
    fn forward(&self, context: &Context<'_>, mut statistics: MatrixMut<'_>) -> Result<(), String> {
        let (scores, target) = (context.input(0), context.input(1));
        if Self::two_scores([context.input_shape(0), context.input_shape(1)]) == Some(true) {
            let rows = super::rows(context.input_shape(0));
            for row in 0..scores.rows() {
                let label = target.row(row / target.cols())[row % target.cols()];
                let class = class_of(label, row, 2)?;
                let example = [scores.row(row)[0], scores.row(row)[1], class as f32];
                statistics.row_mut(row / rows)[3 * (row % rows)..][..3].copy_from_slice(&example);
            }
            return Ok(());
        }
        let rows = scores.rows() / context.items().max(1);
        for item in 0..context.items() {
            let numbers = (item * rows..(item + 1) * rows)
                .flat_map(|row| scores.row(row).iter().zip(target.row(row)));
            let examples = statistics.row_mut(item).chunks_exact_mut(3);
            for (example, (score, target)) in examples.zip(numbers) {
                let positive = match *target {
                    target if target.is_nan() => target,
                    target => f32::from(u8::from(target > 0.5)),
                };
                example.copy_from_slice(&[0.0, *score, positive]);
            }
        }
        Ok(())
    }

    fn add(&self, sums: &mut Vec<f64>, item: &[f32]) {
        let score = |example: &[f32]| match f64::from(example[1]) - f64::from(example[0]) {
            // Both are infinite, and equal.
            difference if difference.is_nan() && example[0] == example[1] => 0.0,
            difference => difference,
        };
        let kept = |example: &[f32]| [score(example), f64::from(example[2])];
        sums.extend(item.chunks_exact(3).flat_map(kept));
    }

    fn value(&self, sums: &[f64], _items: usize) -> f64 {
        let [negatives, positives] = classes(sums);
        if negatives * positives == 0.0 || sums.iter().any(|number| number.is_nan()) {
            return f64::NAN;
        }
        let mut examples: Vec<(f64, f64)> =
            sums.chunks_exact(2).map(|example| (example[0], example[1])).collect();
        examples.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        let (mut below, mut won) = (0.0, 0.0);
        // Equal scores, zeros of both signs among them, stand side by side.
        for same in examples.chunk_by(|one, other| one.0 == other.0) {
            let positive: f64 = same.iter().map(|example| example.1).sum();
            let negative = same.len() as f64 - positive;
            won += positive * (below + 0.5 * negative);
            below += negative;
        }
        won / (negatives * positives)
    }

    fn note(&self, sums: &[f64], _items: usize) -> Option<String> {
        let undefined = |why: &str| Some(format!("it is undefined, since {why}"));
        match classes(sums) {
            _ if sums.iter().step_by(2).any(|score| score.is_nan()) => {
                undefined("a score is no number")
            }
            [_, positives] if positives.is_nan() => undefined("a target is no number"),
            [_, 0.0] => undefined("there is no positive example"),
            [0.0, _] => undefined("there is no negative example"),
            _ => None,
        }
    }
}
