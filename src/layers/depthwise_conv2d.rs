//! A small window of weights for every channel slides over an image.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::window::{Padding, Pair, dilated, image, windows};
use super::{
    Cost, Layer, LayerSpec, Layout, Misfit, ParameterKind, ParameterSpec, Reads, Sample, Split,
    parse, to_attributes,
};
use crate::context::Context;
use crate::initializers::{Choice, Constant, GlorotUniform};
use crate::kernels::{self, Conv2dShape, MatrixMut};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "depthwise_conv2d",
    summary: "windows of weights of each channel's own slide over it, plus a bias",
    attributes: &[
        ("kernel", "rows and columns of the window, one number or two, at least 1; required"),
        ("stride", "steps of the window, one number or two, at least 1; default 1"),
        (
            "padding",
            "\"valid\", \"same\", one width, or [top, bottom, left, right], each less than the window; default \"valid\"",
        ),
        (
            "dilation",
            "distance between the taps of the window, one number or two, at least 1; default 1",
        ),
        (
            "multiplier",
            "windows, and so channels of the output, for each channel, at least 1; default 1",
        ),
        (
            "initializer",
            "where the weight's first values come from, by kind or as a table; default \"glorot_uniform\"",
        ),
    ],
    parse: parse::<DepthwiseConv2d>,
    samples: &[
        Sample { attributes: "kernel = 3", inputs: &[&[4, 5, 3]] },
        Sample {
            attributes: "kernel = [3, 2]\nstride = [2, 1]\npadding = \"same\"",
            inputs: &[&[5, 4, 17]],
        },
        Sample { attributes: "kernel = 2\nmultiplier = 3", inputs: &[&[3, 3, 2]] },
        Sample {
            attributes: "kernel = 3\nstride = 2\npadding = [1, 0, 2, 1]",
            inputs: &[&[6, 5, 3]],
        },
        Sample {
            attributes: "kernel = 3\ndilation = 2\nstride = 3\npadding = \"same\"\nmultiplier = 2",
            inputs: &[&[7, 6, 2]],
        },
    ],
};

/// A convolution of every channel on its own, over images of shape `[height, width, in]`, giving
/// `[height', width', in * multiplier]`: output channel `c * multiplier + j` is window number `j` over
/// channel `c`. Its parameters are `weight` of shape `[kernel height, kernel width, in, multiplier]`
/// and `bias` of shape `[in * multiplier]`. Stride, padding and dilation are as in
/// [`Conv2d`](super::Conv2d).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepthwiseConv2d {
    kernel: Pair,
    #[serde(default = "one")]
    stride: Pair,
    #[serde(default)]
    padding: Padding,
    #[serde(default = "one")]
    dilation: Pair,
    #[serde(default = "one_window")]
    multiplier: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    initializer: Option<Choice>,
}

fn one() -> Pair {
    Pair([1, 1])
}

fn one_window() -> usize {
    1
}

impl DepthwiseConv2d {
    /// A window of `kernel` rows and columns (`3` or `[3, 2]`) for each channel, stride 1, no padding.
    pub fn new(kernel: impl Into<Pair>) -> Self {
        Self {
            kernel: kernel.into(),
            stride: one(),
            padding: Padding::Valid,
            dilation: one(),
            multiplier: one_window(),
            initializer: None,
        }
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

    /// Moves the windows by `stride` rows and columns.
    #[must_use]
    pub fn stride(mut self, stride: impl Into<Pair>) -> Self {
        self.stride = stride.into();
        self
    }

    /// Puts the taps of the windows `dilation` rows and columns apart.
    #[must_use]
    pub fn dilation(mut self, dilation: impl Into<Pair>) -> Self {
        self.dilation = dilation.into();
        self
    }

    /// Gives every channel `multiplier` windows.
    #[must_use]
    pub fn multiplier(mut self, multiplier: usize) -> Self {
        self.multiplier = multiplier;
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
        let (extent, dilation) = dilated(input, self.kernel, self.dilation)?;
        let windows = windows(input, extent, self.stride, self.padding)?;
        let filters = input[2].checked_mul(self.multiplier).filter(|&filters| filters > 0);
        let filters = filters.ok_or_else(|| {
            Misfit::new(
                format!("its multiplier is {}", self.multiplier),
                "give `multiplier` a small number of at least 1",
            )
        })?;
        Ok(Conv2dShape {
            input,
            kernel: self.kernel.0,
            stride: windows.stride,
            dilation,
            padding: windows.before,
            output: windows.output,
            filters,
        })
    }

    fn shape(&self, input: &[usize]) -> Result<Conv2dShape, String> {
        self.geometry(input).map_err(|misfit| misfit.problem)
    }
}

impl Layer for DepthwiseConv2d {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        let shape = self.geometry(inputs[0])?;
        Ok(vec![shape.output[0], shape.output[1], shape.filters])
    }

    fn parameters(&self, inputs: &[&[usize]]) -> Vec<ParameterSpec> {
        let channels = inputs[0].last().copied().unwrap_or(0);
        let [rows, columns] = self.kernel.0;
        let window = rows.saturating_mul(columns);
        let spec = |name, shape, initializer| ParameterSpec {
            name,
            shape,
            initializer,
            fan_in: window,
            fan_out: window.saturating_mul(self.multiplier),
            layout: Layout::Plain,
            kind: ParameterKind::Learned,
        };
        vec![
            spec(
                "weight",
                vec![rows, columns, channels, self.multiplier],
                match &self.initializer {
                    Some(initializer) => initializer.get(),
                    None => Arc::new(GlorotUniform::default()),
                },
            ),
            spec("bias", vec![channels * self.multiplier], Arc::new(Constant::new(0.0))),
        ]
    }

    fn cost(&self, inputs: &[&[usize]], output: &[usize]) -> Cost {
        let floats = |shape: &[usize]| shape.iter().product::<usize>() as f64;
        let [rows, columns] = self.kernel.0;
        let flops = 2.0 * floats(output) * (rows * columns) as f64;
        // Every product reads its number anew, though from a cache.
        Cost { flops, floats: floats(inputs[0]) + floats(output) + flops / 16.0 }
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

    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        let shape = self.shape(context.input_shape(0))?;
        let [weight, bias] = [0, 1].map(|parameter| context.parameter(parameter));
        kernels::depthwise_conv2d(&shape, context.items(), context.input(0), weight, bias, output);
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let shape = self.shape(context.input_shape(0))?;
        let (grads, weight) = (context.output_grad(), context.parameter(0));
        kernels::depthwise_conv2d_input_grad(&shape, context.items(), grads, weight, gradient);
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
        kernels::depthwise_conv2d_weight_grad(&shape, items, input, output_grad, gradient);
        Ok(())
    }
}
