//! The product of all inputs, number by number.

use super::{Arity, Layer, LayerSpec, Misfit, Reads, Sample, equal_shapes, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "multiply",
    summary: "the product of its inputs, number by number",
    attributes: &[],
    parse: parse_plain::<Multiply>,
    samples: &[
        Sample { attributes: "", inputs: &[&[5], &[5]] },
        Sample { attributes: "", inputs: &[&[2, 3, 4], &[2, 3, 4], &[2, 3, 4]] },
        Sample { attributes: "", inputs: &[&[], &[]] },
        Sample { attributes: "", inputs: &[&[37], &[37]] },
    ],
};

/// Multiplies inputs of one shape, in their order. It takes two inputs or more; the gradient of each
/// is that of the output times all others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Multiply;

impl Layer for Multiply {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn arity(&self) -> Arity {
        Arity::AtLeast(2)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        equal_shapes(inputs)
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

    fn forward(&self, context: &Context<'_>, mut output: MatrixMut<'_>) -> Result<(), String> {
        let mut first = (!context.in_place()).then(|| context.input(0));
        for input in 1..context.input_count() {
            kernels::multiply(first.take(), context.input(input), output.reborrow());
        }
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        input: usize,
        mut gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let mut first = Some(context.output_grad());
        for other in (0..context.input_count()).filter(|&other| other != input) {
            kernels::multiply(first.take(), context.input(other), gradient.reborrow());
        }
        Ok(())
    }
}
