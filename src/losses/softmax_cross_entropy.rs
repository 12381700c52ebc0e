//! Cross entropy of logits.

use serde::{Deserialize, Serialize};

use super::class_weights::{
    CLASS_WEIGHTS, ClassSettings, ClassWeights, LABEL_SMOOTHING, class_settings, is_zero,
};
use super::targets::{Form, check_labels};
use super::{Loss, LossSpec, TargetValues, mean_by_item, parse_checked};
use crate::attributes::to_attributes;
use crate::context::Context;
use crate::kernels::{self, MatrixMut, MatrixRef};
use crate::layers::{Misfit, Sample};

pub(super) static SPEC: LossSpec = LossSpec {
    kind: "softmax_cross_entropy",
    summary: "-log(softmax(logits)) at the target: class indices, or a share for every class",
    attributes: &[LABEL_SMOOTHING, CLASS_WEIGHTS],
    parse: parse_checked::<SoftmaxCrossEntropy>,
    samples: &[
        Sample { attributes: "", inputs: &[&[4], &[]] },
        Sample { attributes: "", inputs: &[&[1], &[]] },
        Sample { attributes: "", inputs: &[&[2, 3, 5], &[2, 3]] },
        Sample { attributes: "", inputs: &[&[5], &[5]] },
        Sample { attributes: "", inputs: &[&[2, 3], &[2, 3]] },
        Sample {
            attributes: "label_smoothing = 0.1\nclass_weights = [1.0, 0.25, 0.0, 3.0]",
            inputs: &[&[2, 4], &[2]],
        },
        Sample {
            attributes: "label_smoothing = 0.25\nclass_weights = [0.5, 2.0, 1.5]",
            inputs: &[&[3], &[3]],
        },
    ],
};

/// Softmax and cross entropy in one, over logits of shape `[…, classes]`. The shape of the target
/// says what it holds: of shape `[…]`, one class index for every row; of the logits' own shape,
/// one-hot rows or any shares of the classes. An item's loss is the mean over its rows of
/// `-Σ share · log(softmax(logits))` (Goodfellow, Bengio and Courville 2016, section 6.2.2.3). Only
/// the logits have a gradient.
///
/// With label smoothing, or with class weights, a class counts by `weight · (share · (1 - smoothing) + smoothing /
/// classes)`, as in `PyTorch`'s `cross_entropy`; but the mean is over rows, see [`ClassWeights`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoftmaxCrossEntropy {
    #[serde(default, skip_serializing_if = "is_zero")]
    label_smoothing: f32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    class_weights: Option<ClassWeights>,
}

/// Without settings: a loss can be written by its name alone, as `SoftmaxCrossEntropy`.
#[allow(non_upper_case_globals)] // the name of the type, whose plain value it is
pub const SoftmaxCrossEntropy: SoftmaxCrossEntropy =
    SoftmaxCrossEntropy { label_smoothing: 0.0, class_weights: None };

class_settings!(SoftmaxCrossEntropy);

impl Loss for SoftmaxCrossEntropy {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        Form::of(inputs, "logits")?;
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
        super::targets::values(inputs)
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, losses: MatrixMut<'_>) -> Result<(), String> {
        let (logits, target) = (context.input(0), context.input(1));
        if !self.settings().is_plain() {
            let (rows, classes) = (logits.rows(), logits.cols());
            return kernels::with_scratch(rows * (classes + 1), |scratch| {
                let (by_row, shares) = scratch.split_at_mut(rows);
                self.settings().shares(context, shares)?;
                let shares = MatrixRef::new(shares, rows, classes, classes);
                kernels::soft_cross_entropy(logits, shares, by_row);
                mean_by_item(by_row, context.items(), losses);
                Ok(())
            });
        }
        kernels::with_scratch(logits.rows(), |by_row| {
            match Form::in_run(context) {
                Form::Indices => {
                    let labels = check_labels(target, logits.cols())?;
                    kernels::softmax_cross_entropy(logits, labels, by_row);
                }
                Form::Shares => kernels::soft_cross_entropy(logits, target, by_row),
            }
            mean_by_item(by_row, context.items(), losses);
            Ok(())
        })
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        scale: f32,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let (logits, target) = (context.input(0), context.input(1));
        let scale = scale / (logits.rows() / context.items().max(1)) as f32;
        if !self.settings().is_plain() {
            let (rows, classes) = (logits.rows(), logits.cols());
            return kernels::with_scratch(rows * classes, |shares| {
                self.settings().shares(context, shares)?;
                let shares = MatrixRef::new(shares, rows, classes, classes);
                kernels::soft_cross_entropy_grad(logits, shares, scale, gradient);
                Ok(())
            });
        }
        match Form::in_run(context) {
            Form::Indices => {
                let labels = check_labels(target, logits.cols())?;
                kernels::softmax_cross_entropy_grad(logits, labels, scale, gradient);
            }
            Form::Shares => kernels::soft_cross_entropy_grad(logits, target, scale, gradient),
        }
        Ok(())
    }
}
