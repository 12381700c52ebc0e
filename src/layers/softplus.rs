//! A smooth rectifier.

use super::{Layer, LayerSpec, Misfit, Reads, Sample, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "softplus",
    summary: "ln(1 + exp(input)), without overflow",
    attributes: &[],
    parse: parse_plain::<Softplus>,
    samples: &[
        Sample { attributes: "", inputs: &[&[5]] },
        Sample { attributes: "", inputs: &[&[3, 2, 19]] },
        Sample { attributes: "", inputs: &[&[]] },
    ],
};

/// A smooth rectifier: `ln(1 + e^x)`, computed as `max(x, 0) + ln(1 + e^-|x|)`, which never
/// overflows. The output has the input's shape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Softplus;

impl Layer for Softplus {
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
        kernels::softplus((!context.in_place()).then(|| context.input(0)), output);
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let output_grad = (!context.in_place()).then(|| context.output_grad());
        kernels::softplus_grad(context.input(0), output_grad, gradient);
        Ok(())
    }
}
