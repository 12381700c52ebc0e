//! A small window of weights slides over an image.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::window::{Padding, Pair, image, windows};
use super::{
    Cost, Layer, LayerSpec, Layout, Misfit, ParameterKind, ParameterSpec, Reads, Sample, Split,
    parse, to_attributes,
};
use crate::executor::Context;
use crate::initializers::{Choice, Constant, GlorotUniform};
use crate::kernels::{self, Conv2dShape, MatrixMut};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "conv2d",
    summary: "a window of weights slides over an image: cross-correlation, plus a bias",
    attributes: &[
        ("filters", "channels of the output; required"),
        ("kernel", "rows and columns of the window, one number or two; required"),
        ("stride", "steps of the window, one number or two; default 1"),
        ("padding", "\"valid\" (default) or \"same\""),
        ("initializer", "of the weight: a kind, or a table with one; default \"glorot_uniform\""),
    ],
    parse: parse::<Conv2d>,
    samples: &[
        Sample { attributes: "filters = 2\nkernel = 1", inputs: &[&[3, 3, 2]] },
        Sample {
            attributes: "filters = 2\nkernel = 2\ninitializer = { kind = \"orthogonal\", gain = 2.0 }",
            inputs: &[&[3, 3, 2]],
        },
        Sample { attributes: "filters = 3\nkernel = 3", inputs: &[&[4, 5, 2]] },
        Sample { attributes: "filters = 4\nkernel = 3\npadding = \"same\"", inputs: &[&[4, 3, 1]] },
        Sample {
            attributes: "filters = 2\nkernel = [3, 2]\nstride = [2, 1]\npadding = \"same\"",
            inputs: &[&[5, 4, 3]],
        },
        Sample { attributes: "filters = 1\nkernel = 2\nstride = 3", inputs: &[&[7, 6, 2]] },
        Sample { attributes: "filters = 2\nkernel = 5\npadding = \"same\"", inputs: &[&[1, 3, 2]] },
        Sample {
            attributes: "filters = 33\nkernel = 3\npadding = \"same\"",
            inputs: &[&[3, 15, 2]],
        },
    ],
};

/// A convolution over images of shape `[height, width, in]`, giving `[height', width', filters]`.
/// Its parameters are `weight` of shape `[kernel height, kernel width, in, filters]` and `bias` of
/// shape `[filters]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
    filters: usize,
    kernel: Pair,
    #[serde(default = "one")]
    stride: Pair,
    #[serde(default)]
    padding: Padding,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    initializer: Option<Choice>,
}

fn one() -> Pair {
    Pair([1, 1])
}

impl Conv2d {
    /// `filters` windows of `kernel` rows and columns (`3` or `[3, 2]`), stride 1, no padding.
    pub fn new(filters: usize, kernel: impl Into<Pair>) -> Self {
        Self {
            filters,
            kernel: kernel.into(),
            stride: one(),
            padding: Padding::Valid,
            initializer: None,
        }
    }

    /// Pads the image so that, with stride 1, the output is as large as the input.
    #[must_use]
    pub fn same(mut self) -> Self {
        self.padding = Padding::Same;
        self
    }

    /// Moves the window by `stride` rows and columns.
    #[must_use]
    pub fn stride(mut self, stride: impl Into<Pair>) -> Self {
        self.stride = stride.into();
        self
    }

    /// Takes the first values of the weight from another initializer.
    #[must_use]
    pub fn initializer(mut self, initializer: impl Into<Choice>) -> Self {
        self.initializer = Some(initializer.into());
        self
    }

    fn geometry(&self, input: &[usize]) -> Result<Conv2dShape, Misfit> {
        let input = image(input)?;
        let windows = windows(input, self.kernel, self.stride, self.padding)?;
        Ok(Conv2dShape {
            input,
            kernel: self.kernel.0,
            stride: windows.stride,
            padding: windows.before,
            output: windows.output,
            filters: self.filters,
        })
    }

    fn shape(&self, input: &[usize]) -> Result<Conv2dShape, String> {
        self.geometry(input).map_err(|misfit| misfit.problem)
    }
}

impl Layer for Conv2d {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        if self.filters == 0 {
            return Err(Misfit::new("it has no filters", "give `filters` a value of at least 1"));
        }
        let [height, width] = self.geometry(inputs[0])?.output;
        Ok(vec![height, width, self.filters])
    }

    fn parameters(&self, inputs: &[&[usize]]) -> Vec<ParameterSpec> {
        let channels = inputs[0].last().copied().unwrap_or(0);
        let [rows, columns] = self.kernel.0;
        let window = rows.saturating_mul(columns);
        let spec = |name, shape, initializer, layout| ParameterSpec {
            name,
            shape,
            initializer,
            fan_in: window.saturating_mul(channels),
            fan_out: window.saturating_mul(self.filters),
            layout,
            kind: ParameterKind::Learned,
        };
        vec![
            spec(
                "weight",
                vec![rows, columns, channels, self.filters],
                match &self.initializer {
                    Some(initializer) => initializer.get(),
                    None => Arc::new(GlorotUniform::default()),
                },
                Layout::Panels,
            ),
            spec("bias", vec![self.filters], Arc::new(Constant::new(0.0)), Layout::Plain),
        ]
    }

    fn cost(&self, inputs: &[&[usize]], output: &[usize]) -> Cost {
        let floats = |shape: &[usize]| shape.iter().product::<usize>() as f64;
        let [rows, columns] = self.kernel.0;
        let sum = (rows * columns * inputs[0][2]) as f64;
        Cost { flops: 2.0 * floats(output) * sum, floats: floats(inputs[0]) + floats(output) }
    }

    fn param_split(&self, _inputs: &[&[usize]]) -> Split {
        Split::Items
    }

    fn input_grad_reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn prepared_floats(&self, inputs: &[&[usize]]) -> usize {
        self.geometry(inputs[0]).map_or(0, |shape| kernels::conv2d_prepared_len(&shape))
    }

    fn prepare(&self, context: &Context<'_>, prepared: &mut [f32]) -> Result<(), String> {
        let shape = self.shape(context.input_shape(0))?;
        kernels::conv2d_prepare(&shape, context.panels(0), prepared);
        Ok(())
    }

    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        let shape = self.shape(context.input_shape(0))?;
        let bias = Some(context.parameter(1));
        let (items, input) = (context.items(), context.input(0));
        kernels::conv2d(&shape, items, input, context.panels(0), bias, output);
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let shape = self.shape(context.input_shape(0))?;
        let (items, output_grad) = (context.items(), context.output_grad());
        kernels::conv2d_input_grad(&shape, items, output_grad, context.prepared(), gradient);
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
        if parameter == 1 {
            kernels::column_sums(output_grad, gradient);
            return Ok(());
        }
        let shape = self.shape(context.input_shape(0))?;
        let (items, input) = (context.items(), context.input(0));
        kernels::conv2d_weight_grad(&shape, items, input, output_grad, gradient);
        Ok(())
    }
}
