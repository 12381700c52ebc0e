//! The logistic function of every number.

use super::pointwise::Pointwise;
use super::{LayerSpec, Reads, Sample, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut, MatrixRef};

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "sigmoid",
    summary: "1 / (1 + exp(-input))",
    attributes: &[],
    parse: parse_plain::<Sigmoid>,
    samples: &[
        Sample { attributes: "", inputs: &[&[5]] },
        Sample { attributes: "", inputs: &[&[3, 2, 19]] },
    ],
};

/// The logistic function of every number. The output has the input's shape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sigmoid;

impl Pointwise for Sigmoid {
    const GRADIENT_READS: Reads = Reads::OUTPUT;

    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    #[inline]
    fn function(&self, input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
        kernels::sigmoid(input, output);
    }

    fn gradient(
        &self,
        context: &Context<'_>,
        output_grad: Option<MatrixRef<'_>>,
        gradient: MatrixMut<'_>,
    ) {
        kernels::sigmoid_grad(context.output(), output_grad, gradient);
    }
}
