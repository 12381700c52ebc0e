//! The exponential linear unit.

use serde::{Deserialize, Serialize};

use super::pointwise::Pointwise;
use super::{LayerSpec, Misfit, Reads, Sample, finite, parse, require_not_negative, to_attributes};
use crate::context::Context;
use crate::kernels::{self, MatrixMut, MatrixRef};

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "elu",
    summary: "the input where it is positive, else alpha * (exp(input) - 1)",
    attributes: &[(
        "alpha",
        "minus what the output comes near for very negative inputs, at least 0; default 1.0",
    )],
    parse: parse::<Elu>,
    samples: &[
        Sample { attributes: "", inputs: &[&[5]] },
        Sample { attributes: "alpha = 0.7", inputs: &[&[3, 2, 19]] },
        Sample { attributes: "", inputs: &[&[]] },
    ],
};

/// The exponential linear unit: `x` where `x > 0`, else `alpha * (e^x - 1)` (Clevert, Unterthiner and
/// Hochreiter 2015). The output has the input's shape.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elu {
    #[serde(default = "default_alpha", deserialize_with = "finite")]
    alpha: f32,
}

fn default_alpha() -> f32 {
    1.0
}

impl Default for Elu {
    fn default() -> Self {
        Self::new(default_alpha())
    }
}

impl Elu {
    /// A unit whose output stays above `-alpha`; `alpha` is at least 0.
    pub fn new(alpha: f32) -> Self {
        Self { alpha }
    }
}

impl Pointwise for Elu {
    const GRADIENT_READS: Reads = Reads::OUTPUT;

    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), Misfit> {
        require_not_negative("alpha", self.alpha)
    }

    #[inline]
    fn function(&self, input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
        kernels::elu(self.alpha, input, output);
    }

    fn gradient(
        &self,
        context: &Context<'_>,
        output_grad: Option<MatrixRef<'_>>,
        gradient: MatrixMut<'_>,
    ) {
        kernels::elu_grad(self.alpha, context.output(), output_grad, gradient);
    }
}
