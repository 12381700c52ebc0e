//! Numbers to shares of 1.

use super::{Cost, Layer, LayerSpec, Misfit, Reads, Sample, last_axis, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "softmax",
    summary: "exp(input) over its sum along the last axis",
    attributes: &[],
    parse: parse_plain::<Softmax>,
    samples: &[
        Sample { attributes: "", inputs: &[&[5]] },
        Sample { attributes: "", inputs: &[&[1]] },
        Sample { attributes: "", inputs: &[&[3, 2, 19]] },
    ],
};

/// Positive shares along the last axis that sum up to 1: `y = e^x / sum(e^x)`. The output has the
/// input's shape; the gradient is `y * (g - sum(g * y))`, `g` being that of the output.
///
/// For training a classifier, the loss [`SoftmaxCrossEntropy`](struct@crate::losses::SoftmaxCrossEntropy) takes the logits
/// themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Softmax;

impl Layer for Softmax {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        last_axis(inputs[0])?;
        Ok(inputs[0].to_vec())
    }

    fn cost(&self, _inputs: &[&[usize]], output: &[usize]) -> Cost {
        let floats = output.iter().product::<usize>() as f64;
        // Two exponentials a number.
        Cost { flops: 40.0 * floats, floats: 2.0 * floats }
    }

    fn in_place(&self) -> bool {
        true
    }

    fn input_grad_reads(&self) -> Reads {
        Reads::OUTPUT
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        kernels::softmax((!context.in_place()).then(|| context.input(0)), output);
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let output_grad = (!context.in_place()).then(|| context.output_grad());
        kernels::softmax_grad(context.output(), output_grad, gradient);
        Ok(())
    }
}
