//! How far a predicted distribution is from a given one.

use super::{Loss, LossSpec, TargetValues, check_same_shape, mean_by_item, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::layers::{Misfit, Sample};

pub(super) static SPEC: LossSpec = LossSpec {
    kind: "kl_divergence",
    summary: "sum of t · (ln t - ln softmax(logits)), the target t being probabilities",
    attributes: &[],
    parse: parse_plain::<KlDivergence>,
    samples: &[
        Sample { attributes: "", inputs: &[&[4], &[4]] },
        Sample { attributes: "", inputs: &[&[1], &[1]] },
        Sample { attributes: "", inputs: &[&[2, 3, 5], &[2, 3, 5]] },
    ],
};

/// The Kullback-Leibler divergence of the softmax of logits from target probabilities, both of shape
/// `[…, classes]`: `Σ t · (ln t - ln softmax(logits))` over the last axis (Kullback and Leibler 1951),
/// where `t ln t` is 0 for a `t` of 0 or less. An item's loss is the mean over its rows. It differs
/// from the softmax cross entropy by the entropy of the target, so that it is 0 where both
/// distributions agree. Only the logits have a gradient.
#[derive(Clone, Copy, Debug, Default)]
pub struct KlDivergence;

impl Loss for KlDivergence {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        if inputs[0].is_empty() {
            return Err(Misfit::new(
                "logits need an axis of classes",
                "connect it to a node whose items have one logit for every class",
            ));
        }
        check_same_shape(inputs)
    }

    fn target_values(&self, _inputs: &[&[usize]]) -> TargetValues {
        TargetValues::Numbers
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, losses: MatrixMut<'_>) -> Result<(), String> {
        let (logits, target) = (context.input(0), context.input(1));
        kernels::with_scratch(logits.rows(), |by_row| {
            kernels::soft_cross_entropy(logits, target, by_row);
            for (row, loss) in by_row.iter_mut().enumerate() {
                let shares = target.row(row).iter().map(|&share| f64::from(share));
                let terms = shares.filter(|&share| share > 0.0).map(|share| share * share.ln());
                *loss = (f64::from(*loss) + terms.sum::<f64>()) as f32;
            }
            mean_by_item(by_row, context.items(), losses);
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
        let (logits, target) = (context.input(0), context.input(1));
        let scale = scale / (logits.rows() / context.items().max(1)) as f32;
        kernels::soft_cross_entropy_grad(logits, target, scale, gradient);
        Ok(())
    }
}
