//! The largest number of every channel over an image.

use super::window::image;
use super::{Layer, LayerSpec, Misfit, Sample, parse_plain};
use crate::context::Context;
use crate::kernels::{self, MatrixMut, PoolShape};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "global_max_pool",
    summary: "the largest number of every channel over the whole image",
    attributes: &[],
    parse: parse_plain::<GlobalMaxPool>,
    samples: &[
        Sample { attributes: "", inputs: &[&[3, 2, 4]] },
        Sample { attributes: "", inputs: &[&[1, 1, 2]] },
        Sample { attributes: "", inputs: &[&[2, 5, 35]] },
    ],
};

/// Takes an image of shape `[height, width, channels]` to its largest numbers `[channels]`. Where
/// several are largest, the gradient goes to the first of them in row-major order.
#[derive(Clone, Copy, Debug, Default)]
pub struct GlobalMaxPool;

/// One window over the whole image.
fn whole(shape: &[usize]) -> PoolShape {
    PoolShape {
        input: [shape[0], shape[1], shape[2]],
        size: [shape[0], shape[1]],
        stride: [1, 1],
        padding: [0, 0],
        output: [1, 1],
    }
}

impl Layer for GlobalMaxPool {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        Ok(vec![image(inputs[0])?[2]])
    }

    fn rearranges(&self) -> bool {
        true
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        let shape = whole(context.input_shape(0));
        kernels::max_pool(&shape, context.items(), context.input(0), output);
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let shape = whole(context.input_shape(0));
        let (input, output) = (context.input(0), context.output());
        let output_grad = context.output_grad();
        kernels::max_pool_grad(&shape, context.items(), input, output, output_grad, gradient);
        Ok(())
    }
}
