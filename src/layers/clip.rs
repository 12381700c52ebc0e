//! Numbers kept between two bounds.

use serde::{Deserialize, Serialize};

use super::pointwise::Pointwise;
use super::{LayerSpec, Misfit, Reads, Sample, finite, parse, to_attributes};
use crate::context::Context;
use crate::kernels::{self, MatrixMut, MatrixRef};

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "clip",
    summary: "the input where it is between min and max, else the nearer of the two; relu6 by default",
    attributes: &[
        ("min", "the least number that comes out, finite; default 0"),
        ("max", "the largest number that comes out, finite and at least min; default 6"),
    ],
    parse: parse::<Clip>,
    samples: &[
        Sample { attributes: "", inputs: &[&[5]] },
        Sample { attributes: "min = -0.5\nmax = 0.75", inputs: &[&[3, 2, 19]] },
        Sample { attributes: "min = -1.0\nmax = 1.0", inputs: &[&[]] },
    ],
};

/// Keeps every number between two bounds: `max(min, min(max, x))`. The gradient passes where the output is neither
/// bound. Bounds of 0 and 6 make what others call relu6, those of -1 and 1 what they call hardtanh. The output has the
/// input's shape.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clip {
    #[serde(default, deserialize_with = "finite")]
    min: f32,
    #[serde(default = "six", deserialize_with = "finite")]
    max: f32,
}

fn six() -> f32 {
    6.0
}

impl Default for Clip {
    fn default() -> Self {
        Self::new(0.0, six())
    }
}

impl Clip {
    /// Keeps numbers between `min` and `max`.
    pub fn new(min: f32, max: f32) -> Self {
        Self { min, max }
    }
}

impl Pointwise for Clip {
    const GRADIENT_READS: Reads = Reads::OUTPUT;

    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), Misfit> {
        if self.min.is_finite() && self.max.is_finite() && self.min <= self.max {
            return Ok(());
        }
        Err(Misfit::new(
            format!("its bounds are {} and {}", self.min, self.max),
            "give `min` and `max` finite numbers, the first no larger than the second",
        ))
    }

    #[inline]
    fn function(&self, input: Option<MatrixRef<'_>>, output: MatrixMut<'_>) {
        kernels::clip([self.min, self.max], input, output);
    }

    fn gradient(
        &self,
        context: &Context<'_>,
        output_grad: Option<MatrixRef<'_>>,
        gradient: MatrixMut<'_>,
    ) {
        kernels::clip_grad([self.min, self.max], context.output(), output_grad, gradient);
    }
}
