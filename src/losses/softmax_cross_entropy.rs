//! Cross entropy of logits against class indices.

use super::{Loss, LossSpec, TargetValues, parse_plain};
use crate::executor::Context;
use crate::kernels::{self, MatrixMut, MatrixRef};
use crate::layers::{Misfit, Sample};
use crate::tensor::describe_shape;

pub(super) static SPEC: LossSpec = LossSpec {
    kind: "softmax_cross_entropy",
    summary: "-log(softmax(logits)[class]), the target being class indices",
    attributes: &[],
    parse: parse_plain::<SoftmaxCrossEntropy>,
    samples: &[
        Sample { attributes: "", inputs: &[&[4], &[]] },
        Sample { attributes: "", inputs: &[&[1], &[]] },
        Sample { attributes: "", inputs: &[&[2, 3, 5], &[2, 3]] },
    ],
};

/// Softmax and cross entropy in one: logits of shape `[…, classes]` against class indices of shape
/// `[…]`. An item's loss is the mean over its rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct SoftmaxCrossEntropy;

/// Checks every class index of a part.
fn check_labels(labels: MatrixRef<'_>, classes: usize) -> Result<&[f32], String> {
    // Targets are whole tensors of one column or contiguous rows.
    let Some(labels) = labels.contiguous() else {
        return Err("class indices must be contiguous".to_owned());
    };
    match labels
        .iter()
        .position(|&label| !(label >= 0.0 && (label as usize) < classes && label.fract() == 0.0))
    {
        None => Ok(labels),
        Some(row) => Err(format!(
            "the label of row {row} is {}, but classes are whole numbers from 0 to {}",
            labels[row],
            classes - 1
        )),
    }
}

impl Loss for SoftmaxCrossEntropy {
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
                    "logits of shape {} need class indices of that shape without its last axis, \
                     not {}",
                    describe_shape(inputs[0]),
                    describe_shape(inputs[1])
                ),
                "make the target one class index for every row of logits",
            )),
        }
    }

    fn target_values(&self, inputs: &[&[usize]]) -> TargetValues {
        TargetValues::Classes(inputs[0].last().copied().unwrap_or(0))
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, mut losses: MatrixMut<'_>) -> Result<(), String> {
        let logits = context.input(0);
        let labels = check_labels(context.input(1), logits.cols())?;
        let rows = logits.rows() / context.items().max(1);
        kernels::with_scratch(labels.len(), |by_row| {
            kernels::softmax_cross_entropy(logits, labels, by_row);
            for (item, losses_of_item) in by_row.chunks(rows).enumerate() {
                losses.row_mut(item)[0] = losses_of_item.iter().sum::<f32>() / rows as f32;
            }
        });
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        scale: f32,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let logits = context.input(0);
        let labels = check_labels(context.input(1), logits.cols())?;
        let rows = logits.rows() / context.items().max(1);
        kernels::softmax_cross_entropy_grad(logits, labels, scale / rows as f32, gradient);
        Ok(())
    }
}
