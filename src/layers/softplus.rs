//! A smooth rectifier.

use super::pointwise::Pointwise;
use super::{LayerSpec, Reads, Sample, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut, MatrixRef};

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "softplus",
    summary: "ln(1 + exp(input)), without overflow",
    attributes: &[],
    parse: parse_plain::<Softplus>,
    samples: &[
        Sample { attributes: "", inputs: &[&[5]] },
        Sample { attributes: "", inputs: &[&[3, 2, 19]] },
        Sample { attributes: "", inputs: &[&[]] },
    ],
};

/// A smooth rectifier: `ln(1 + e^x)`, computed as `max(x, 0) + ln(1 + e^-|x|)`, which never
/// overflows. The output has the input's shape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Softplus;

impl Pointwise for Softplus {
    const GRADIENT_READS: Reads = Reads::INPUTS;

    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    #[inline]
    fn function(&self, input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
        kernels::softplus(input, output);
    }

    fn gradient(
        &self,
        context: &Context<'_>,
        output_grad: Option<MatrixRef<'_>>,
        gradient: MatrixMut<'_>,
    ) {
        kernels::softplus_grad(context.input(0), output_grad, gradient);
    }
}
