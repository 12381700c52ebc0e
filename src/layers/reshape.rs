//! The same numbers with other axes.

use serde::{Deserialize, Serialize};

use super::{Layer, LayerSpec, Misfit, Reads, Sample, View, parse, to_attributes};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::{Shape, describe_shape};

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "reshape",
    summary: "the same numbers, in row-major order, with other axes",
    attributes: &[("shape", "the sizes of an item's axes, each at least 1; required")],
    parse: parse::<Reshape>,
    samples: &[
        Sample { attributes: "shape = [2, 3, 2]", inputs: &[&[4, 3]] },
        Sample { attributes: "shape = [15]", inputs: &[&[3, 1, 5]] },
        Sample { attributes: "shape = [7, 5]", inputs: &[&[35]] },
        Sample { attributes: "shape = []", inputs: &[&[1]] },
    ],
};

/// Gives an item other axes; its numbers keep their row-major order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reshape {
    shape: Shape,
}

impl Reshape {
    /// To items of `shape`.
    pub fn new(shape: impl Into<Shape>) -> Self {
        Self { shape: shape.into() }
    }
}

impl Layer for Reshape {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        let numbers: usize = inputs[0].iter().product();
        let wanted = self.shape.iter().try_fold(1usize, |all, &size| all.checked_mul(size));
        if wanted == Some(numbers) {
            return Ok(self.shape.clone());
        }
        Err(Misfit::new(
            format!(
                "an item of {} does not make one of {}",
                describe_shape(inputs[0]),
                describe_shape(&self.shape)
            ),
            format!("give `shape` sizes whose product is {numbers}"),
        ))
    }

    fn rearranges(&self) -> bool {
        true
    }

    fn view(&self, _inputs: &[&[usize]]) -> View {
        View::Reshape
    }

    fn input_grad_reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        kernels::copy_reshaped(context.input(0), output);
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        kernels::copy_reshaped(context.output_grad(), gradient);
        Ok(())
    }
}
