//! A convolution turned round: every pixel spreads a window of weights.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::window::{Padding, Pair, image, windows};
use super::{
    Cost, FormReaders, Layer, LayerSpec, Layout, Misfit, ParameterKind, ParameterSpec, Pass,
    PreparedWeights, Reads, Sample, Split, parse, to_attributes,
};
use crate::context::{Context, Numerics};
use crate::initializers::{Choice, Constant, GlorotUniform};
use crate::kernels::{self, Conv2dShape, MatrixMut};
use crate::tensor::{Shape, describe_shape};

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "conv2d_transpose",
    summary: "every pixel adds a window of weights to a larger image, plus a bias",
    attributes: &[
        ("filters", "channels of the output, at least 1; required"),
        ("kernel", "rows and columns of the window, one number or two, at least 1; required"),
        ("stride", "steps of the window over the output, one number or two, at least 1; default 1"),
        (
            "padding",
            "\"valid\": the output has in * stride + max(kernel - stride, 0) places; \"same\": it has \
             in * stride; one width, or [top, bottom, left, right]: so much is cut off an output of \
             (in - 1) * stride + kernel places; default \"valid\"",
        ),
        (
            "output_padding",
            "beside widths: rows and columns more, at the bottom and on the right, one number or two, each less than the \
             stride; default 0",
        ),
        (
            "initializer",
            "where the weight's first values come from, by kind or as a table; default \"glorot_uniform\"",
        ),
    ],
    parse: parse::<Conv2dTranspose>,
    samples: &[
        Sample { attributes: "filters = 2\nkernel = 1", inputs: &[&[3, 3, 2]] },
        Sample { attributes: "filters = 2\nkernel = 3", inputs: &[&[2, 3, 2]] },
        Sample {
            attributes: "filters = 3\nkernel = 3\nstride = 2\npadding = \"same\"",
            inputs: &[&[3, 2, 2]],
        },
        Sample {
            attributes: "filters = 1\nkernel = [2, 3]\nstride = [3, 1]",
            inputs: &[&[2, 3, 2]],
        },
        Sample {
            attributes: "filters = 17\nkernel = 2\nstride = 2\npadding = \"same\"",
            inputs: &[&[2, 2, 3]],
        },
        Sample {
            attributes: "filters = 2\nkernel = 3\nstride = 2\npadding = 1\noutput_padding = 1",
            inputs: &[&[3, 2, 2]],
        },
        Sample {
            attributes: "filters = 2\nkernel = 3\nstride = [1, 3]\npadding = [0, 2, 1, 0]\noutput_padding = [0, 2]",
            inputs: &[&[3, 2, 2]],
        },
    ],
};

/// A transposed convolution over images of shape `[height, width, in]`, giving
/// `[height', width', filters]`. It is the gradient of a [`Conv2d`](super::Conv2d) with respect to its
/// input: of the one that goes from the output's shape to the input's with this kernel, stride and
/// padding.
///
/// Sizes follow Keras without an output padding: with padding "same" an axis of `in` places becomes
/// one of `in * stride`, else one of `in * stride + max(kernel - stride, 0)`. That is `PyTorch`'s with
/// no padding and an output padding of `max(stride - kernel, 0)`. With widths as padding, they are `PyTorch`'s with its
/// output padding.
///
/// Its parameters are `weight` of shape `[kernel height, kernel width, filters, in]`, the order of
/// Keras, and `bias` of shape `[filters]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2dTranspose {
    filters: usize,
    kernel: Pair,
    #[serde(default = "one")]
    stride: Pair,
    #[serde(default)]
    padding: Padding,
    #[serde(default = "zero", skip_serializing_if = "is_zero")]
    output_padding: Pair,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    initializer: Option<Choice>,
}

fn one() -> Pair {
    Pair([1, 1])
}

fn zero() -> Pair {
    Pair([0, 0])
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde asks for
fn is_zero(pair: &Pair) -> bool {
    *pair == zero()
}

impl Conv2dTranspose {
    /// `filters` windows of `kernel` rows and columns (`3` or `[3, 2]`), stride 1, nothing cut off.
    pub fn new(filters: usize, kernel: impl Into<Pair>) -> Self {
        Self {
            filters,
            kernel: kernel.into(),
            stride: one(),
            padding: Padding::Valid,
            output_padding: zero(),
            initializer: None,
        }
    }

    /// Makes the output `stride` times as large as the input.
    #[must_use]
    pub fn same(mut self) -> Self {
        self.padding = Padding::Same;
        self
    }

    /// Cuts other widths off the output, with [`Padding::Sides`].
    #[must_use]
    pub fn padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// Adds rows at the bottom and columns on the right, fewer than the stride; only with [`Padding::Sides`].
    #[must_use]
    pub fn output_padding(mut self, output_padding: impl Into<Pair>) -> Self {
        self.output_padding = output_padding.into();
        self
    }

    /// Moves the window by `stride` rows and columns of the output from pixel to pixel.
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

    /// The convolution whose gradient it is: from the output's shape to the input's.
    fn geometry(&self, input: &[usize]) -> Result<Conv2dShape, Misfit> {
        let input = image(input)?;
        if self.filters == 0 {
            return Err(Misfit::new("it has no filters", "give `filters` a value of at least 1"));
        }
        let sides = match self.padding {
            Padding::Sides(sides) => Some(sides),
            Padding::Valid | Padding::Same => None,
        };
        let wrong = |axis: usize| self.output_padding.0[axis] >= self.stride.0[axis].max(1);
        if self.output_padding != zero() && (sides.is_none() || wrong(0) || wrong(1)) {
            return Err(Misfit::new(
                "its output padding stands beside no widths, or is not less than the stride",
                "give `padding` a width, and `output_padding` less than `stride`",
            ));
        }
        let mut output = [0, 0, self.filters];
        for axis in 0..2 {
            let (kernel, stride) = (self.kernel.0[axis], self.stride.0[axis]);
            let (steps, more, less) = match (self.padding, sides) {
                (Padding::Same, _) => (input[axis], 0, 0),
                (_, None) => (input[axis], kernel.saturating_sub(stride), 0),
                (_, Some(sides)) => (
                    input[axis].saturating_sub(1),
                    kernel.saturating_add(self.output_padding.0[axis]),
                    sides[2 * axis].saturating_add(sides[2 * axis + 1]),
                ),
            };
            output[axis] = steps
                .checked_mul(stride)
                .and_then(|places| places.checked_add(more)?.checked_sub(less))
                .filter(|&places| places > 0 && places < 1 << 32)
                .ok_or_else(|| {
                    Misfit::new(
                        format!("a window {kernel} long with stride {stride} is absurdly large"),
                        "use a smaller window or stride",
                    )
                })?;
        }
        let windows = windows(output, self.kernel, self.stride, self.padding)?;
        if windows.output != input[..2] {
            return Err(Misfit::new(
                format!("nothing is left of {} with its stride", describe_shape(&input)),
                "use sizes and strides of at least 1",
            ));
        }
        Ok(Conv2dShape {
            input: output,
            kernel: self.kernel.0,
            stride: windows.stride,
            dilation: [1, 1],
            padding: windows.before,
            output: windows.output,
            filters: input[2],
        })
    }

    fn shape(&self, input: &[usize]) -> Result<Conv2dShape, String> {
        self.geometry(input).map_err(|misfit| misfit.problem)
    }
}

impl Layer for Conv2dTranspose {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit> {
        Ok(self.geometry(inputs[0])?.input.to_vec())
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
                vec![rows, columns, self.filters, channels],
                match &self.initializer {
                    Some(initializer) => initializer.get(),
                    None => Arc::new(GlorotUniform::default()),
                },
                Layout::Panels { groups: 1 },
            ),
            spec("bias", vec![self.filters], Arc::new(Constant::new(0.0)), Layout::Plain),
        ]
    }

    fn cost(&self, inputs: &[&[usize]], output: &[usize]) -> Cost {
        let floats = |shape: &[usize]| shape.iter().product::<usize>() as f64;
        let [rows, columns] = self.kernel.0;
        let window = (rows * columns * self.filters) as f64;
        Cost { flops: 2.0 * floats(inputs[0]) * window, floats: floats(inputs[0]) + floats(output) }
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

    fn prepared_weights(&self) -> Option<&dyn PreparedWeights> {
        Some(self)
    }

    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        let shape = self.shape(context.input_shape(0))?;
        let (items, input) = (context.items(), context.input(0));
        let bias = Some(context.parameter(1));
        kernels::conv2d_input_grad(&shape, items, input, context.prepared(), bias, output);
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
        kernels::conv2d(&shape, items, output_grad, context.panels(0), None, gradient);
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
        kernels::conv2d_weight_grad(&shape, items, output_grad, input, gradient);
        Ok(())
    }
}

impl PreparedWeights for Conv2dTranspose {
    fn floats(
        &self,
        pass: Pass,
        inputs: &[&[usize]],
        _numerics: Numerics,
        _readers: FormReaders,
    ) -> usize {
        match pass {
            Pass::Forward => {
                self.geometry(inputs[0]).map_or(0, |shape| kernels::conv2d_prepared_len(&shape))
            }
            Pass::Backward => 0,
        }
    }

    fn prepare(
        &self,
        context: &Context<'_>,
        _pass: Pass,
        prepared: &mut [f32],
    ) -> Result<(), String> {
        let shape = self.shape(context.input_shape(0))?;
        kernels::conv2d_prepare(&shape, context.panels(0), prepared);
        Ok(())
    }
}
