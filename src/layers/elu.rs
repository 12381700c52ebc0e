//! The exponential linear unit.

use serde::{Deserialize, Serialize};

use super::{
    Layer, LayerSpec, Misfit, Reads, Sample, finite, parse, require_not_negative, to_attributes,
};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::Shape;

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

impl Layer for Elu {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        require_not_negative("alpha", self.alpha)?;
        Ok(inputs[0].to_vec())
    }

    fn in_place(&self) -> bool {
        true
    }

    fn input_grad_reads(&self) -> Reads {
        Reads::OUTPUT
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        kernels::elu(self.alpha, (!context.in_place()).then(|| context.input(0)), output);
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let output_grad = (!context.in_place()).then(|| context.output_grad());
        kernels::elu_grad(self.alpha, context.output(), output_grad, gradient);
        Ok(())
    }
}
