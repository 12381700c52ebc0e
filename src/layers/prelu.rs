//! A rectifier whose slope is learned.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Layer, LayerSpec, Layout, Misfit, ParameterKind, ParameterSpec, Reads, Sample, Split, finite,
    parse, to_attributes,
};
use crate::context::Context;
use crate::initializers::Constant;
use crate::kernels::{self, MatrixMut};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "prelu",
    summary: "the input where it is positive, else a learned slope times it",
    attributes: &[
        ("shared", "whether all channels have one slope; default false"),
        ("initial", "first value of the slopes, finite; default 0.25"),
    ],
    parse: parse::<Prelu>,
    samples: &[
        Sample { attributes: "", inputs: &[&[5]] },
        Sample { attributes: "initial = 0.5", inputs: &[&[3, 2, 19]] },
        Sample { attributes: "shared = true", inputs: &[&[2, 3, 17]] },
        Sample { attributes: "shared = true", inputs: &[&[3, 1]] },
        Sample { attributes: "", inputs: &[&[]] },
    ],
};

/// A rectifier with learned slopes: `x` where `x > 0`, else `slope * x` (He, Zhang, Ren and Sun 2015).
/// The output has the input's shape. Its parameter `slope` has a number for each channel, which is the
/// last axis, or a single one for all.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prelu {
    #[serde(default)]
    shared: bool,
    #[serde(default = "quarter", deserialize_with = "finite")]
    initial: f32,
}

fn quarter() -> f32 {
    0.25
}

impl Default for Prelu {
    fn default() -> Self {
        Self { shared: false, initial: quarter() }
    }
}

impl Prelu {
    /// One slope for all channels.
    pub fn shared() -> Self {
        Self { shared: true, ..Self::default() }
    }

    /// Starts with slopes of `initial` instead of 0.25.
    #[must_use]
    pub fn initial(mut self, initial: f32) -> Self {
        self.initial = initial;
        self
    }
}

impl Layer for Prelu {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        if !self.initial.is_finite() {
            return Err(Misfit::new(
                format!("its slopes start with {}", self.initial),
                "give `initial` a finite number",
            ));
        }
        Ok(inputs[0].to_vec())
    }

    fn parameters(&self, inputs: &[&[usize]]) -> Vec<ParameterSpec> {
        let channels = inputs[0].last().copied().unwrap_or(1);
        vec![ParameterSpec {
            name: "slope",
            shape: vec![if self.shared { 1 } else { channels }],
            initializer: Arc::new(Constant::new(self.initial)),
            fan_in: 1,
            fan_out: 1,
            layout: Layout::Plain,
            kind: ParameterKind::Learned,
        }]
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
        let input = context.input(0);
        kernels::prelu(input, context.parameter(0), input, output);
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let output_grad = context.output_grad();
        kernels::prelu(context.input(0), context.parameter(0), output_grad, gradient);
        Ok(())
    }

    fn param_grad(
        &self,
        context: &Context<'_>,
        _parameter: usize,
        _rows: Range<usize>,
        gradient: &mut [f32],
    ) -> Result<(), String> {
        kernels::prelu_slope_grad(context.input(0), context.output_grad(), gradient);
        Ok(())
    }
}
