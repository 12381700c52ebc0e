//! A rectifier that lets a little of the negative through.

use serde::{Deserialize, Serialize};

use super::pointwise::Pointwise;
use super::{LayerSpec, Misfit, Reads, Sample, finite, parse, require_not_negative, to_attributes};
use crate::context::Context;
use crate::kernels::{self, MatrixMut, MatrixRef};

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "leaky_relu",
    summary: "the input where it is positive, else slope times it",
    attributes: &[("slope", "factor of what is not positive, at least 0; default 0.01")],
    parse: parse::<LeakyRelu>,
    samples: &[
        Sample { attributes: "", inputs: &[&[5]] },
        Sample { attributes: "slope = 0.2", inputs: &[&[3, 2, 19]] },
        Sample { attributes: "", inputs: &[&[]] },
    ],
};

/// A rectifier that lets a little of the negative through: `x` where `x > 0`, else `slope * x` (Maas,
/// Hannun and Ng 2013). The output has the input's shape.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeakyRelu {
    #[serde(default = "default_slope", deserialize_with = "finite")]
    slope: f32,
}

fn default_slope() -> f32 {
    0.01
}

impl Default for LeakyRelu {
    fn default() -> Self {
        Self::new(default_slope())
    }
}

impl LeakyRelu {
    /// Multiplies what is not positive by `slope`, which is at least 0.
    pub fn new(slope: f32) -> Self {
        Self { slope }
    }
}

impl Pointwise for LeakyRelu {
    const GRADIENT_READS: Reads = Reads::OUTPUT;

    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), Misfit> {
        require_not_negative("slope", self.slope)
    }

    #[inline]
    fn function(&self, input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
        kernels::leaky_relu(self.slope, input, output);
    }

    fn gradient(
        &self,
        context: &Context<'_>,
        output_grad: Option<MatrixRef<'_>>,
        gradient: MatrixMut<'_>,
    ) {
        kernels::leaky_relu_grad(self.slope, context.output(), output_grad, gradient);
    }
}
