//! Features of one place brought to mean 0 and variance 1.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Cost, Layer, LayerSpec, Layout, Misfit, ParameterKind, ParameterSpec, Reads, Sample, Split,
    finite, last_axis, parse, to_attributes,
};
use crate::context::Context;
use crate::initializers::Constant;
use crate::kernels::{self, MatrixMut};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "layer_norm",
    summary: "the last axis less its mean, over its standard deviation, times weight plus bias",
    attributes: &[("epsilon", "added to the variance, above 0; default 1e-5")],
    parse: parse::<LayerNorm>,
    samples: &[
        Sample { attributes: "", inputs: &[&[5]] },
        Sample { attributes: "epsilon = 0.5", inputs: &[&[3, 2, 19]] },
        Sample { attributes: "", inputs: &[&[2, 16]] },
        Sample { attributes: "epsilon = 0.1", inputs: &[&[3, 2]] },
    ],
};

/// Layer normalisation over the last axis (Ba, Kiros and Hinton 2016):
/// `(x - mean) / sqrt(variance + epsilon) * weight + bias`, the variance being the mean squared
/// distance from the mean. The output has the input's shape. Its parameters `weight`, at first 1, and
/// `bias`, at first 0, have a number for each index of the last axis.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerNorm {
    #[serde(default = "default_epsilon", deserialize_with = "finite")]
    epsilon: f32,
}

fn default_epsilon() -> f32 {
    1e-5
}

impl Default for LayerNorm {
    fn default() -> Self {
        Self::new(default_epsilon())
    }
}

impl LayerNorm {
    /// Adds `epsilon`, which is above 0, to the variance.
    pub fn new(epsilon: f32) -> Self {
        Self { epsilon }
    }
}

impl Layer for LayerNorm {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        // With none at all, equal numbers would be divided by zero.
        if !self.epsilon.is_finite() || self.epsilon < f32::MIN_POSITIVE {
            return Err(Misfit::new(
                format!("its epsilon is {}", self.epsilon),
                "give `epsilon` a finite number above 0, such as 1e-5",
            ));
        }
        last_axis(inputs[0])?;
        Ok(inputs[0].to_vec())
    }

    fn parameters(&self, inputs: &[&[usize]]) -> Vec<ParameterSpec> {
        let features = inputs[0].last().copied().unwrap_or(0);
        let spec = |name, first| ParameterSpec {
            name,
            shape: vec![features],
            initializer: Arc::new(Constant::new(first)),
            fan_in: 1,
            fan_out: 1,
            layout: Layout::Plain,
            kind: ParameterKind::Learned,
        };
        vec![spec("weight", 1.0), spec("bias", 0.0)]
    }

    fn cost(&self, _inputs: &[&[usize]], output: &[usize]) -> Cost {
        let floats = output.iter().product::<usize>() as f64;
        Cost { flops: 8.0 * floats, floats: 3.0 * floats }
    }

    fn param_split(&self, _inputs: &[&[usize]]) -> Split {
        Split::Items
    }

    fn input_grad_reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        let [weight, bias] = [0, 1].map(|parameter| context.parameter(parameter));
        kernels::layer_norm(self.epsilon, context.input(0), weight, bias, output);
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let (input, output_grad) = (context.input(0), context.output_grad());
        let weight = context.parameter(0);
        kernels::layer_norm_grad(self.epsilon, input, weight, output_grad, gradient);
        Ok(())
    }

    fn param_grad(
        &self,
        context: &Context<'_>,
        parameter: usize,
        _rows: Range<usize>,
        gradient: &mut [f32],
    ) -> Result<(), String> {
        let output_grad = context.output_grad();
        if parameter == 0 {
            let input = context.input(0);
            kernels::layer_norm_weight_grad(self.epsilon, input, output_grad, gradient);
        } else {
            kernels::column_sums(output_grad, gradient);
        }
        Ok(())
    }
}
