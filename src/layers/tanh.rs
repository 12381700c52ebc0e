//! The hyperbolic tangent of every number.

use super::pointwise::Pointwise;
use super::{LayerSpec, Reads, Sample, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut, MatrixRef};

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "tanh",
    summary: "hyperbolic tangent",
    attributes: &[],
    parse: parse_plain::<Tanh>,
    samples: &[
        Sample { attributes: "", inputs: &[&[5]] },
        Sample { attributes: "", inputs: &[&[3, 2, 19]] },
    ],
};

/// The hyperbolic tangent of every number. The output has the input's shape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tanh;

impl Pointwise for Tanh {
    const GRADIENT_READS: Reads = Reads::OUTPUT;

    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    #[inline]
    fn function(&self, input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
        kernels::tanh(input, output);
    }

    fn gradient(
        &self,
        context: &Context<'_>,
        output_grad: Option<MatrixRef<'_>>,
        gradient: MatrixMut<'_>,
    ) {
        kernels::tanh_grad(context.output(), output_grad, gradient);
    }
}
