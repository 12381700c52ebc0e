//! Cross entropy of probabilities.

use serde::{Deserialize, Serialize};

use super::class_weights::{
    CLASS_WEIGHTS, ClassSettings, ClassWeights, LABEL_SMOOTHING, class_settings, is_zero,
};
use super::targets::{Form, class_of, values};
use super::{Loss, LossSpec, TargetValues, parse_checked};
use crate::attributes::to_attributes;
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::layers::{Misfit, Sample};

pub(super) static SPEC: LossSpec = LossSpec {
    kind: "cross_entropy",
    summary: "-log(probability) at the target: class indices, or a share for every class",
    attributes: &[LABEL_SMOOTHING, CLASS_WEIGHTS],
    parse: parse_checked::<CrossEntropy>,
    samples: &[
        Sample { attributes: "", inputs: &[&[4], &[]] },
        Sample { attributes: "", inputs: &[&[2, 3, 5], &[2, 3]] },
        Sample { attributes: "", inputs: &[&[3], &[3]] },
        Sample { attributes: "", inputs: &[&[2, 2], &[2, 2]] },
        Sample {
            attributes: "label_smoothing = 0.1\nclass_weights = [1.0, 0.25, 3.0]",
            inputs: &[&[2, 3], &[2]],
        },
        Sample { attributes: "label_smoothing = 0.25", inputs: &[&[3], &[3]] },
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
/// hand, [`SoftmaxCrossEntropy`](struct@super::SoftmaxCrossEntropy) is faster and more exact.
///
/// With label smoothing, or with class weights, a class counts by `weight · (share · (1 - smoothing) + smoothing /
/// classes)`, as in `PyTorch`'s `cross_entropy`; but the mean is over rows, see [`ClassWeights`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossEntropy {
    #[serde(default, skip_serializing_if = "is_zero")]
    label_smoothing: f32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    class_weights: Option<ClassWeights>,
}

/// Without settings: a loss can be written by its name alone, as `CrossEntropy`.
#[allow(non_upper_case_globals)] // the name of the type, whose plain value it is
pub const CrossEntropy: CrossEntropy = CrossEntropy { label_smoothing: 0.0, class_weights: None };

class_settings!(CrossEntropy);

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
        to_attributes(self)
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        Form::of(inputs, "probabilities")?;
        self.settings().check(inputs)
    }

    fn check_attributes(&self) -> Result<(), String> {
        self.settings().check_numbers()
    }

    fn balances_classes(&self) -> bool {
        self.settings().is_unbalanced()
    }

    fn with_class_weights(&self, weights: Vec<f32>) -> Option<std::sync::Arc<dyn Loss>> {
        Some(std::sync::Arc::new(self.clone().class_weights(weights)))
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
        if !self.settings().is_plain() {
            let classes = probabilities.cols();
            return kernels::with_scratch(probabilities.rows() * classes, |shares| {
                self.settings().shares(context, shares)?;
                for item in 0..context.items() {
                    let of_row = |row: usize| {
                        let shares = &shares[row * classes..][..classes];
                        let pairs = probabilities.row(row).iter().zip(shares);
                        let pairs = pairs.filter(|(_, share)| **share != 0.0);
                        pairs.map(|(p, share)| f64::from(*share) * surprise(*p)).sum::<f64>()
                    };
                    let sum = (item * rows..(item + 1) * rows).map(of_row).sum::<f64>();
                    losses.row_mut(item)[0] = (sum / rows as f64) as f32;
                }
                Ok(())
            });
        }
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
        if !self.settings().is_plain() {
            let classes = probabilities.cols();
            return kernels::with_scratch(probabilities.rows() * classes, |shares| {
                self.settings().shares(context, shares)?;
                for row in 0..probabilities.rows() {
                    let pairs = probabilities.row(row).iter().zip(&shares[row * classes..]);
                    for (to, (p, share)) in gradient.row_mut(row).iter_mut().zip(pairs) {
                        *to = if *share == 0.0 { 0.0 } else { scale * share * slope(*p) };
                    }
                }
                Ok(())
            });
        }
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
