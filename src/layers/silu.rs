//! Every number times its logistic function.

use super::pointwise::Pointwise;
use super::{LayerSpec, Reads, Sample, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut, MatrixRef};

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "silu",
    summary: "input / (1 + exp(-input)), also called swish",
    attributes: &[],
    parse: parse_plain::<Silu>,
    samples: &[
        Sample { attributes: "", inputs: &[&[5]] },
        Sample { attributes: "", inputs: &[&[3, 2, 19]] },
        Sample { attributes: "", inputs: &[&[]] },
    ],
};

/// Every number times its logistic function: `x / (1 + e^-x)` (Elfwing, Uchibe and Doya 2017). The
/// output has the input's shape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silu;

impl Pointwise for Silu {
    const GRADIENT_READS: Reads = Reads::INPUTS;

    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    #[inline]
    fn function(&self, input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
        kernels::silu(input, output);
    }

    fn gradient(
        &self,
        context: &Context<'_>,
        output_grad: Option<MatrixRef<'_>>,
        gradient: MatrixMut<'_>,
    ) {
        kernels::silu_grad(context.input(0), output_grad, gradient);
    }
}
