//! A rectifier that lets a little of the negative through.

use serde::{Deserialize, Serialize};

use super::{
    Layer, LayerSpec, Misfit, Reads, Sample, finite, parse, require_not_negative, to_attributes,
};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::Shape;

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

impl Layer for LeakyRelu {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        require_not_negative("slope", self.slope)?;
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
        kernels::leaky_relu(self.slope, (!context.in_place()).then(|| context.input(0)), output);
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let output_grad = (!context.in_place()).then(|| context.output_grad());
        kernels::leaky_relu_grad(self.slope, context.output(), output_grad, gradient);
        Ok(())
    }
}
