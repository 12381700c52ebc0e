//! The sum of all inputs, number by number.

use super::{Arity, Layer, LayerSpec, Misfit, Reads, Sample, equal_shapes, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "add",
    summary: "the sum of its inputs, number by number, added in their order",
    attributes: &[],
    parse: parse_plain::<Add>,
    samples: &[
        Sample { attributes: "", inputs: &[&[5], &[5]] },
        Sample { attributes: "", inputs: &[&[2, 3, 4], &[2, 3, 4], &[2, 3, 4]] },
        Sample { attributes: "", inputs: &[&[3]] },
    ],
};

/// Adds inputs of one shape, in their order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Add;

impl Layer for Add {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn arity(&self) -> Arity {
        Arity::AtLeast(1)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        equal_shapes(inputs)
    }

    fn in_place(&self) -> bool {
        true
    }

    fn passes_gradient(&self) -> bool {
        true
    }

    fn input_grad_reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        let onto = context.in_place();
        let inputs = usize::from(onto)..context.input_count();
        kernels::sum(inputs.map(|input| context.input(input)), onto, output);
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        if !context.in_place() {
            kernels::copy(context.output_grad(), gradient);
        }
        Ok(())
    }
}
