//! All axes of an item become one.

use super::{Layer, LayerSpec, Misfit, Reads, Sample, View, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "flatten",
    summary: "all axes of an item become one, in row-major order",
    attributes: &[],
    parse: parse_plain::<Flatten>,
    samples: &[
        Sample { attributes: "", inputs: &[&[3, 4, 2]] },
        Sample { attributes: "", inputs: &[&[5]] },
        Sample { attributes: "", inputs: &[&[]] },
    ],
};

/// Reshapes an item of any shape to one axis, in row-major order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flatten;

impl Layer for Flatten {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        Ok(vec![inputs[0].iter().product()])
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
        kernels::copy_reshaped(context.input(0), output);
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        kernels::copy_reshaped(context.output_grad(), gradient);
        Ok(())
    }
}
