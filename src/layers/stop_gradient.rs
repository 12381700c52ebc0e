//! The input, without a gradient.

use super::{Layer, LayerSpec, Misfit, Reads, Sample, View, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "stop_gradient",
    summary: "the input as it is, through which no gradient goes back",
    attributes: &[],
    parse: parse_plain::<StopGradient>,
    samples: &[
        Sample { attributes: "", inputs: &[&[5]] },
        Sample { attributes: "", inputs: &[&[3, 2, 19]] },
        Sample { attributes: "", inputs: &[&[]] },
    ],
};

/// The identity, of which the derivative is taken to be 0: what lies above it learns nothing from what
/// lies below, and no gradient is computed there for its sake. The output has the input's shape.
#[derive(Clone, Copy, Debug, Default)]
pub struct StopGradient;

impl Layer for StopGradient {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        Ok(inputs[0].to_vec())
    }

    fn differentiable(&self, _input: usize) -> bool {
        false
    }

    fn rearranges(&self) -> bool {
        true
    }

    fn view(&self, _inputs: &[&[usize]]) -> View {
        View::Reshape
    }

    fn input_grad_reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        kernels::copy(context.input(0), output);
        Ok(())
    }

    fn input_grad(
        &self,
        _context: &Context<'_>,
        _input: usize,
        _gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        Ok(())
    }
}
