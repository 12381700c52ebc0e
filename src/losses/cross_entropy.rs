//! Cross entropy of probabilities.

use super::targets::{Form, class_of, values};
use super::{Loss, LossSpec, TargetValues, parse_plain};
use crate::context::Context;
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Sample};

pub(super) static SPEC: LossSpec = LossSpec {
    kind: "cross_entropy",
    summary: "-log(probability) at the target: class indices, or a share for every class",
    attributes: &[],
    parse: parse_plain::<CrossEntropy>,
    samples: &[
        Sample { attributes: "", inputs: &[&[4], &[]] },
        Sample { attributes: "", inputs: &[&[2, 3, 5], &[2, 3]] },
        Sample { attributes: "", inputs: &[&[3], &[3]] },
        Sample { attributes: "", inputs: &[&[2, 2], &[2, 2]] },
    ],
};

/// Below this the logarithm goes on straight, along its tangent.
const SMALLEST: f32 = 1e-7;

/// Cross entropy of probabilities of shape `[…, classes]`, such as a softmax gives. The shape of the
/// target says what it holds: of shape `[…]`, one class index for every row; of the probabilities'
/// own shape, one-hot rows or any shares of the classes. An item's loss is the mean over its rows of
/// `-Σ share · ln(probability)` (Goodfellow, Bengio and Courville 2016, section 3.13). Only the
/// probabilities have a gradient.
///
/// Below a probability `p` of 1e-7 the logarithm goes on along its tangent there,
/// `ln(1e-7) + p / 1e-7 - 1`: loss and gradient stay finite (at most 17.1 and 1e7 for a probability
/// of 0), and the gradient never vanishes. Probabilities are not normalised. Where logits are at
/// hand, [`super::SoftmaxCrossEntropy`] is faster and more exact.
#[derive(Clone, Copy, Debug, Default)]
pub struct CrossEntropy;

/// `-ln(probability)`, straight below [`SMALLEST`].
fn surprise(probability: f32) -> f64 {
    let (p, smallest) = (f64::from(probability), f64::from(SMALLEST));
    if p < smallest { 1.0 - p / smallest - smallest.ln() } else { -p.ln() }
}

/// Its derivative.
fn slope(probability: f32) -> f32 {
    -1.0 / if probability < SMALLEST { SMALLEST } else { probability }
}

impl Loss for CrossEntropy {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        Form::of(inputs, "probabilities").map(|_| ())
    }

    fn target_values(&self, inputs: &[&[usize]]) -> TargetValues {
        values(inputs)
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, mut losses: MatrixMut<'_>) -> Result<(), String> {
        let (probabilities, target) = (context.input(0), context.input(1));
        let rows = probabilities.rows() / context.items().max(1);
        let form = Form::in_run(context);
        for item in 0..context.items() {
            let mut sum = 0.0;
            for row in item * rows..(item + 1) * rows {
                let of_row = probabilities.row(row);
                if form == Form::Indices {
                    let label = target.row(row / target.cols())[row % target.cols()];
                    sum += surprise(of_row[class_of(label, row, of_row.len())?]);
                } else {
                    // A class without a share does not count.
                    let pairs = of_row.iter().zip(target.row(row)).filter(|(_, t)| **t != 0.0);
                    sum += pairs.map(|(p, t)| f64::from(*t) * surprise(*p)).sum::<f64>();
                }
            }
            losses.row_mut(item)[0] = (sum / rows as f64) as f32;
        }
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        scale: f32,
        mut gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let (probabilities, target) = (context.input(0), context.input(1));
        let scale = scale / (probabilities.rows() / context.items().max(1)) as f32;
        let form = Form::in_run(context);
        for row in 0..probabilities.rows() {
            let (of_row, to) = (probabilities.row(row), gradient.row_mut(row));
            if form == Form::Indices {
                let label = target.row(row / target.cols())[row % target.cols()];
                let class = class_of(label, row, of_row.len())?;
                to.fill(0.0);
                to[class] = scale * slope(of_row[class]);
            } else {
                for (to, (p, t)) in to.iter_mut().zip(of_row.iter().zip(target.row(row))) {
                    *to = if *t == 0.0 { 0.0 } else { scale * t * slope(*p) };
                }
            }
        }
        Ok(())
    }
}
