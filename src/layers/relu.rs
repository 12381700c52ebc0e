//! The rectifier: negative numbers become 0.

use super::pointwise::Pointwise;
use super::{LayerSpec, Reads, Sample, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut, MatrixRef};

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "relu",
    summary: "the larger of 0 and the input",
    attributes: &[],
    parse: parse_plain::<Relu>,
    samples: &[
        Sample { attributes: "", inputs: &[&[5]] },
        Sample { attributes: "", inputs: &[&[3, 2, 19]] },
    ],
};

/// The rectifier: negative numbers become 0. The output has the input's shape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Relu;

impl Pointwise for Relu {
    const GRADIENT_READS: Reads = Reads::OUTPUT;

    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    #[inline]
    fn function(&self, input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
        kernels::relu(input, output);
    }

    fn gradient(
        &self,
        context: &Context<'_>,
        output_grad: Option<MatrixRef<'_>>,
        gradient: MatrixMut<'_>,
    ) {
        kernels::relu_grad(context.output(), output_grad, gradient);
    }
}
