//! Mean of the squared differences.

use super::{Loss, LossSpec, TargetValues, parse_plain};
use crate::executor::Context;
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Sample};
use crate::tensor::describe_shape;

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
        if inputs[0] == inputs[1] {
            return Ok(());
        }
        Err(Misfit::new(
            format!(
                "prediction and target differ in shape: {} and {}",
                describe_shape(inputs[0]),
                describe_shape(inputs[1])
            ),
            "give both the same shape",
        ))
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

    fn forward(&self, context: &Context<'_>, mut losses: MatrixMut<'_>) -> Result<(), String> {
        let (prediction, target) = (context.input(0), context.input(1));
        let rows = prediction.rows() / context.items().max(1);
        let numbers = (rows * prediction.cols()) as f64;
        for item in 0..context.items() {
            let mut sum = 0.0f64;
            for row in item * rows..(item + 1) * rows {
                for (p, t) in prediction.row(row).iter().zip(target.row(row)) {
                    sum += f64::from(p - t) * f64::from(p - t);
                }
            }
            losses.row_mut(item)[0] = (sum / numbers) as f32;
        }
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
