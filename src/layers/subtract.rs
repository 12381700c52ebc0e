//! The first input less the others, number by number.

use super::{Arity, Layer, LayerSpec, Misfit, Reads, Sample, equal_shapes, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "subtract",
    summary: "the first input less all others, number by number",
    attributes: &[],
    parse: parse_plain::<Subtract>,
    samples: &[
        Sample { attributes: "", inputs: &[&[5], &[5]] },
        Sample { attributes: "", inputs: &[&[2, 3, 4], &[2, 3, 4], &[2, 3, 4]] },
        Sample { attributes: "", inputs: &[&[], &[]] },
        Sample { attributes: "", inputs: &[&[37], &[37]] },
    ],
};

/// Subtracts from the first input the others, in their order; all have one shape. It takes two inputs
/// or more.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subtract;

impl Layer for Subtract {
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
        Reads::NOTHING
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, mut output: MatrixMut<'_>) -> Result<(), String> {
        let mut first = (!context.in_place()).then(|| context.input(0));
        for input in 1..context.input_count() {
            kernels::subtract(first.take(), context.input(input), output.reborrow());
        }
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        if input == 0 {
            kernels::copy(context.output_grad(), gradient);
        } else {
            kernels::negate(context.output_grad(), gradient);
        }
        Ok(())
    }
}
