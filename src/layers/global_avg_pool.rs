//! The mean of every channel over an image.

use super::window::image;
use super::{Layer, LayerSpec, Misfit, Reads, Sample, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "global_avg_pool",
    summary: "the mean of every channel over the whole image",
    attributes: &[],
    parse: parse_plain::<GlobalAvgPool>,
    samples: &[
        Sample { attributes: "", inputs: &[&[3, 2, 4]] },
        Sample { attributes: "", inputs: &[&[1, 1, 2]] },
        Sample { attributes: "", inputs: &[&[2, 5, 35]] },
    ],
};

/// Takes an image of shape `[height, width, channels]` to its means `[channels]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct GlobalAvgPool;

impl Layer for GlobalAvgPool {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        Ok(vec![image(inputs[0])?[2]])
    }

    fn input_grad_reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        let pixels = context.input_shape(0)[..2].iter().product();
        kernels::global_average(context.items(), pixels, context.input(0), output);
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let pixels = context.input_shape(0)[..2].iter().product();
        kernels::global_average_grad(context.items(), pixels, context.output_grad(), gradient);
        Ok(())
    }
}
