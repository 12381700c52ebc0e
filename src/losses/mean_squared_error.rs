//! Mean of the squared differences.

use super::{Loss, LossSpec, TargetValues, check_same_shape, mean_by_number, parse_plain};
use crate::context::Context;
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Sample};

pub(super) static SPEC: LossSpec = LossSpec {
    kind: "mean_squared_error",
    summary: "the mean of (prediction - target)² over all numbers",
    attributes: &[],
    parse: parse_plain::<MeanSquaredError>,
    samples: &[
        Sample { attributes: "", inputs: &[&[3], &[3]] },
        Sample { attributes: "", inputs: &[&[], &[]] },
        Sample { attributes: "", inputs: &[&[2, 3, 2], &[2, 3, 2]] },
    ],
};

/// The mean of `(prediction - target)²` over all numbers of an item. Both inputs have one shape, and
/// both have a gradient.
#[derive(Clone, Copy, Debug, Default)]
pub struct MeanSquaredError;

impl Loss for MeanSquaredError {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        check_same_shape(inputs)
    }

    fn target_values(&self, _inputs: &[&[usize]]) -> TargetValues {
        TargetValues::Numbers
    }

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, losses: MatrixMut<'_>) -> Result<(), String> {
        // The difference is rounded as in the gradient.
        mean_by_number(context, losses, |p, t| {
            let difference = f64::from(p as f32 - t as f32);
            difference * difference
        });
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        input: usize,
        scale: f32,
        mut gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let (this, other) = (context.input(input), context.input(1 - input));
        let rows = this.rows() / context.items().max(1);
        let factor = 2.0 * scale / (rows * this.cols()) as f32;
        for row in 0..this.rows() {
            let pairs = this.row(row).iter().zip(other.row(row));
            for (gradient, (a, b)) in gradient.row_mut(row).iter_mut().zip(pairs) {
                *gradient = factor * (a - b);
            }
        }
        Ok(())
    }
}
