//! Cross entropy of logits.

use super::targets::{Form, check_labels};
use super::{Loss, LossSpec, TargetValues, mean_by_item, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::layers::{Misfit, Sample};

pub(super) static SPEC: LossSpec = LossSpec {
    kind: "softmax_cross_entropy",
    summary: "-log(softmax(logits)) at the target: class indices, or a share for every class",
    attributes: &[],
    parse: parse_plain::<SoftmaxCrossEntropy>,
    samples: &[
        Sample { attributes: "", inputs: &[&[4], &[]] },
        Sample { attributes: "", inputs: &[&[1], &[]] },
        Sample { attributes: "", inputs: &[&[2, 3, 5], &[2, 3]] },
        Sample { attributes: "", inputs: &[&[5], &[5]] },
        Sample { attributes: "", inputs: &[&[2, 3], &[2, 3]] },
    ],
};

/// Softmax and cross entropy in one, over logits of shape `[…, classes]`. The shape of the target
/// says what it holds: of shape `[…]`, one class index for every row; of the logits' own shape,
/// one-hot rows or any shares of the classes. An item's loss is the mean over its rows of
/// `-Σ share · log(softmax(logits))` (Goodfellow, Bengio and Courville 2016, section 6.2.2.3). Only
/// the logits have a gradient.
#[derive(Clone, Copy, Debug, Default)]
pub struct SoftmaxCrossEntropy;

impl Loss for SoftmaxCrossEntropy {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        Form::of(inputs, "logits").map(|_| ())
    }

    fn target_values(&self, inputs: &[&[usize]]) -> TargetValues {
        super::targets::values(inputs)
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, losses: MatrixMut<'_>) -> Result<(), String> {
        let (logits, target) = (context.input(0), context.input(1));
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
