//! The Gaussian error linear unit.

use super::pointwise::Pointwise;
use super::{LayerSpec, Reads, Sample, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut, MatrixRef};

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "gelu",
    summary: "input * (1 + erf(input / sqrt(2))) / 2, the exact form",
    attributes: &[],
    parse: parse_plain::<Gelu>,
    samples: &[
        Sample { attributes: "", inputs: &[&[5]] },
        Sample { attributes: "", inputs: &[&[3, 2, 19]] },
        Sample { attributes: "", inputs: &[&[]] },
    ],
};

/// The Gaussian error linear unit: `x` times the share of a standard normal distribution below `x`,
/// `x * (1 + erf(x / sqrt(2))) / 2` (Hendrycks and Gimpel 2016), not its approximation by tanh. The
/// output has the input's shape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gelu;

impl Pointwise for Gelu {
    const GRADIENT_READS: Reads = Reads::INPUTS;

    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    #[inline]
    fn function(&self, input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
        kernels::gelu(input, output);
    }

    fn gradient(
        &self,
        context: &Context<'_>,
        output_grad: Option<MatrixRef<'_>>,
        gradient: MatrixMut<'_>,
    ) {
        kernels::gelu_grad(context.input(0), output_grad, gradient);
    }
}
