//! The largest number of every window.

use serde::{Deserialize, Serialize};

use super::window::{Padding, Pair, image, item_split, pool_part, windows};
use super::{Cost, ItemSplit, Layer, LayerSpec, Misfit, Sample, parse, to_attributes};
use crate::context::{Context, Numerics};
use crate::kernels::{self, MatrixMut, PoolShape};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "maxpool",
    summary: "the largest number of every window, channel by channel",
    attributes: &[
        ("size", "rows and columns of the window, one number or two, at least 1; required"),
        ("stride", "steps of the window, one number or two, at least 1; default the size"),
        (
            "padding",
            "\"valid\", \"same\", one width, or [top, bottom, left, right], each less than the window; the border never wins; default \"valid\"",
        ),
    ],
    parse: parse::<MaxPool>,
    samples: &[
        Sample { attributes: "size = 2", inputs: &[&[4, 4, 2]] },
        Sample { attributes: "size = 3\nstride = 1\npadding = \"same\"", inputs: &[&[4, 3, 2]] },
        Sample { attributes: "size = 2\nstride = 1", inputs: &[&[3, 4, 17]] },
        Sample {
            attributes: "size = [3, 2]\nstride = [1, 2]\npadding = \"same\"",
            inputs: &[&[3, 5, 1]],
        },
        Sample { attributes: "size = 2\nstride = 3", inputs: &[&[5, 5, 3]] },
        Sample { attributes: "size = 3\nstride = 2\npadding = 1", inputs: &[&[6, 5, 3]] },
        Sample {
            attributes: "size = [3, 2]\nstride = 2\npadding = [0, 2, 1, 1]",
            inputs: &[&[5, 4, 2]],
        },
    ],
};

/// Max pooling over images of shape `[height, width, channels]`. Where several numbers of a window
/// are largest, the gradient goes to the first of them in row-major order; windows that overlap add
/// their gradients.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool {
    size: Pair,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stride: Option<Pair>,
    #[serde(default)]
    padding: Padding,
}

impl MaxPool {
    /// Windows of `size` rows and columns (`2` or `[2, 3]`), side by side.
    pub fn new(size: impl Into<Pair>) -> Self {
        Self { size: size.into(), stride: None, padding: Padding::Valid }
    }

    /// Pads the image so that, with stride 1, the output is as large as the input.
    #[must_use]
    pub fn same(mut self) -> Self {
        self.padding = Padding::Same;
        self
    }

    /// Pads the image otherwise, as with [`Padding::Sides`].
    #[must_use]
    pub fn padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// Moves the window by `stride` rows and columns.
    #[must_use]
    pub fn stride(mut self, stride: impl Into<Pair>) -> Self {
        self.stride = Some(stride.into());
        self
    }

    fn geometry(&self, input: &[usize]) -> Result<PoolShape, Misfit> {
        let input = image(input)?;
        let stride = self.stride.unwrap_or(self.size);
        let windows = windows(input, self.size, stride, self.padding)?;
        Ok(PoolShape {
            input,
            size: self.size.0,
            stride: windows.stride,
            padding: windows.before,
            output: windows.output,
        })
    }

    fn shape(&self, input: &[usize]) -> Result<PoolShape, String> {
        self.geometry(input).map_err(|misfit| misfit.problem)
    }
}

impl Layer for MaxPool {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        let [height, width] = self.geometry(inputs[0])?.output;
        Ok(vec![height, width, inputs[0][2]])
    }

    fn cost(&self, inputs: &[&[usize]], output: &[usize]) -> Cost {
        let floats = |shape: &[usize]| shape.iter().product::<usize>() as f64;
        let [rows, columns] = self.size.0;
        // Every number of a window is read once more, from cache.
        let reads = floats(output) * (rows * columns) as f64;
        Cost { flops: 0.0, floats: floats(inputs[0]) + floats(output) + reads / 4.0 }
    }

    fn item_split(&self, inputs: &[&[usize]], _numerics: Numerics) -> ItemSplit {
        self.geometry(inputs[0]).map_or(ItemSplit::Whole, |shape| item_split(shape.output))
    }

    fn rearranges(&self) -> bool {
        true
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        let (shape, pixels) = pool_part(context, self.shape(context.input_shape(0))?);
        let input = context.input(0).slice_rows(pixels);
        kernels::max_pool(&shape, context.items(), input, output);
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let shape = self.shape(context.input_shape(0))?;
        let (input, output) = (context.input(0), context.output());
        let output_grad = context.output_grad();
        kernels::max_pool_grad(&shape, context.items(), input, output, output_grad, gradient);
        Ok(())
    }
}
