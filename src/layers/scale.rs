//! All numbers times one factor.

use serde::{Deserialize, Serialize};

use super::{Layer, LayerSpec, Misfit, Reads, Sample, finite, parse, to_attributes};
use crate::executor::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::Shape;

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

impl Layer for Scale {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        if !self.factor.is_finite() {
            return Err(Misfit::new(
                format!("its factor is {}", self.factor),
                "give `factor` a finite number",
            ));
        }
        Ok(inputs[0].to_vec())
    }

    fn in_place(&self) -> bool {
        true
    }

    fn input_grad_reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        kernels::scale(self.factor, (!context.in_place()).then(|| context.input(0)), output);
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let output_grad = (!context.in_place()).then(|| context.output_grad());
        kernels::scale(self.factor, output_grad, gradient);
        Ok(())
    }
}
