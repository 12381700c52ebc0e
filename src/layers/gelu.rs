//! The Gaussian error linear unit.

use super::{Layer, LayerSpec, Misfit, Reads, Sample, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "gelu",
    summary: "input * (1 + erf(input / sqrt(2))) / 2, the exact form",
    attributes: &[],
    parse: parse_plain::<Gelu>,
    samples: &[
        Sample { attributes: "", inputs: &[&[5]] },
        Sample { attributes: "", inputs: &[&[3, 2, 19]] },
        Sample { attributes: "", inputs: &[&[]] },
    ],
};

/// The Gaussian error linear unit: `x` times the share of a standard normal distribution below `x`,
/// `x * (1 + erf(x / sqrt(2))) / 2` (Hendrycks and Gimpel 2016), not its approximation by tanh. The
/// output has the input's shape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gelu;

impl Layer for Gelu {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        Ok(inputs[0].to_vec())
    }

    fn in_place(&self) -> bool {
        true
    }

    fn input_grad_reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        kernels::gelu((!context.in_place()).then(|| context.input(0)), output);
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let output_grad = (!context.in_place()).then(|| context.output_grad());
        kernels::gelu_grad(context.input(0), output_grad, gradient);
        Ok(())
    }
}
