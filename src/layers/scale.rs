//! All numbers times one factor.

use serde::{Deserialize, Serialize};

use super::pointwise::Pointwise;
use super::{LayerSpec, Misfit, Reads, Sample, finite, parse, to_attributes};
use crate::context::Context;
use crate::kernels::{self, MatrixMut, MatrixRef};

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "scale",
    summary: "its input times a factor that does not learn",
    attributes: &[("factor", "the factor, finite; required")],
    parse: parse::<Scale>,
    samples: &[
        Sample { attributes: "factor = 0.5", inputs: &[&[5]] },
        Sample { attributes: "factor = -1.7", inputs: &[&[3, 2, 19]] },
        Sample { attributes: "factor = 3.0", inputs: &[&[]] },
    ],
};

/// Multiplies every number with one factor, which stays what it is. The output has the input's shape.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    #[serde(deserialize_with = "finite")]
    factor: f32,
}

impl Scale {
    /// Multiplies with `factor`.
    pub fn new(factor: f32) -> Self {
        Self { factor }
    }
}

impl Pointwise for Scale {
    const GRADIENT_READS: Reads = Reads::NOTHING;

    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), Misfit> {
        if self.factor.is_finite() {
            return Ok(());
        }
        Err(Misfit::new(format!("its factor is {}", self.factor), "give `factor` a finite number"))
    }

    #[inline]
    fn function(&self, input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
        kernels::scale(self.factor, input, output);
    }

    fn gradient(
        &self,
        _context: &Context<'_>,
        output_grad: Option<MatrixRef<'_>>,
        gradient: MatrixMut<'_>,
    ) {
        kernels::scale(self.factor, output_grad, gradient);
    }
}
