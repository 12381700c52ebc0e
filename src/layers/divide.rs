//! The first input over the others, number by number.

use super::{Arity, Layer, LayerSpec, Misfit, Reads, Sample, equal_shapes, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "divide",
    summary: "the first input over all others, number by number",
    attributes: &[],
    parse: parse_plain::<Divide>,
    samples: &[
        Sample { attributes: "", inputs: &[&[5], &[5]] },
        Sample { attributes: "", inputs: &[&[2, 3, 4], &[2, 3, 4], &[2, 3, 4]] },
        Sample { attributes: "", inputs: &[&[], &[]] },
        Sample { attributes: "", inputs: &[&[37], &[37]] },
    ],
};

/// Divides the first input by the others, in their order; all have one shape, and nothing is added to
/// the divisors. It takes two inputs or more. With `y` the output and `g` its gradient, that of the
/// first input is `g` over all divisors, and that of a divisor `d` is `-g * y / d`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Divide;

impl Layer for Divide {
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
        Reads::BOTH
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, mut output: MatrixMut<'_>) -> Result<(), String> {
        let mut first = (!context.in_place()).then(|| context.input(0));
        for input in 1..context.input_count() {
            kernels::divide(first.take(), context.input(input), output.reborrow());
        }
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        input: usize,
        mut gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        if input == 0 {
            let mut first = Some(context.output_grad());
            for divisor in 1..context.input_count() {
                kernels::divide(first.take(), context.input(divisor), gradient.reborrow());
            }
        } else {
            kernels::negate(context.output_grad(), gradient.reborrow());
            kernels::multiply(None, context.output(), gradient.reborrow());
            kernels::divide(None, context.input(input), gradient);
        }
        Ok(())
    }
}
