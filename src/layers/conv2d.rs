//! A small window of weights slides over an image.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::convolution_choice::{Way, Weights};
use super::window::{Padding, Pair, cut_to_part, dilated, image, item_split, windows};
use super::{
    Cost, FormReaders, ItemSplit, Layer, LayerSpec, Layout, Misfit, ParameterKind, ParameterSpec,
    Pass, PreparedWeights, Reads, Sample, Split, parse, to_attributes,
};
use crate::context::{Context, Numerics, Phase};
use crate::initializers::{Choice, Constant, GlorotUniform};
use crate::kernels::{self, Conv2dShape, MatrixMut};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "conv2d",
    summary: "a window of weights slides over an image: cross-correlation, plus a bias",
    attributes: &[
        ("filters", "channels of the output, at least 1; required"),
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
        ("groups", "how many equal ranges of channels: each range of filters sees one; default 1"),
        (
            "initializer",
            "where the weight's first values come from, by kind or as a table; default \"glorot_uniform\"",
        ),
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
        Sample { attributes: "filters = 2\nkernel = 2\ndilation = 2", inputs: &[&[4, 5, 2]] },
        Sample {
            attributes: "filters = 2\nkernel = 3\ndilation = [1, 3]\npadding = \"same\"\nstride = 2",
            inputs: &[&[4, 9, 2]],
        },
        Sample {
            attributes: "filters = 3\nkernel = 3\nstride = 2\npadding = 1",
            inputs: &[&[6, 5, 2]],
        },
        Sample {
            attributes: "filters = 2\nkernel = 3\npadding = [2, 0, 1, 2]",
            inputs: &[&[4, 3, 2]],
        },
        Sample { attributes: "filters = 6\nkernel = 2\ngroups = 3", inputs: &[&[3, 3, 3]] },
        Sample { attributes: "filters = 4\nkernel = 1\ngroups = 2", inputs: &[&[2, 3, 4]] },
        // In fewer multiplications.
        Sample {
            attributes: "filters = 16\nkernel = 3\npadding = \"same\"",
            inputs: &[&[4, 4, 16]],
        },
    ],
};

/// A convolution over images of shape `[height, width, in]`, giving `[height', width', filters]`.
/// Its parameters are `weight` of shape `[kernel height, kernel width, in / groups, filters]` and
/// `bias` of shape `[filters]`. With several groups, channels and filters are cut into as many equal
/// ranges, and each range of filters sees its range of channels. With a dilation of `d`, a window of
/// `k` taps spans `(k - 1) d + 1` pixels, and it is that size that the rules of padding go by.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
    filters: usize,
    kernel: Pair,
    #[serde(default = "one")]
    stride: Pair,
    #[serde(default)]
    padding: Padding,
    #[serde(default = "one")]
    dilation: Pair,
    #[serde(default = "one_group")]
    groups: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    initializer: Option<Choice>,
}

fn one() -> Pair {
    Pair([1, 1])
}

fn one_group() -> usize {
    1
}

impl Conv2d {
    /// `filters` windows of `kernel` rows and columns (`3` or `[3, 2]`), stride 1, no padding.
    pub fn new(filters: usize, kernel: impl Into<Pair>) -> Self {
        Self {
            filters,
            kernel: kernel.into(),
            stride: one(),
            padding: Padding::Valid,
            dilation: one(),
            groups: one_group(),
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

    /// Moves the window by `stride` rows and columns.
    #[must_use]
    pub fn stride(mut self, stride: impl Into<Pair>) -> Self {
        self.stride = stride.into();
        self
    }

    /// Puts the taps of the window `dilation` rows and columns apart.
    #[must_use]
    pub fn dilation(mut self, dilation: impl Into<Pair>) -> Self {
        self.dilation = dilation.into();
        self
    }

    /// Cuts channels and filters into `groups` equal ranges that have nothing to do with each other.
    #[must_use]
    pub fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// Takes the first values of the weight from another initializer.
    #[must_use]
    pub fn initializer(mut self, initializer: impl Into<Choice>) -> Self {
        self.initializer = Some(initializer.into());
        self
    }

    /// The convolution of one group.
    fn geometry(&self, input: &[usize]) -> Result<Conv2dShape, Misfit> {
        let [height, width, channels] = image(input)?;
        let divides = |number: usize| self.groups > 0 && number.is_multiple_of(self.groups);
        if !divides(channels) || !divides(self.filters) {
            return Err(Misfit::new(
                format!(
                    "{channels} channels and {} filters can't be cut into {} equal groups",
                    self.filters, self.groups
                ),
                "give `groups` a number that divides both",
            ));
        }
        let (extent, dilation) = dilated([height, width, channels], self.kernel, self.dilation)?;
        let windows = windows([height, width, channels], extent, self.stride, self.padding)?;
        Ok(Conv2dShape {
            input: [height, width, channels / self.groups],
            kernel: self.kernel.0,
            stride: windows.stride,
            dilation,
            padding: windows.before,
            output: windows.output,
            filters: self.filters / self.groups,
        })
    }

    /// The channels and the filters of each group.
    fn ranges(&self, shape: &Conv2dShape) -> impl Iterator<Item = (usize, [Range<usize>; 2])> {
        let sizes = [shape.input[2], shape.filters];
        (0..self.groups)
            .map(move |group| (group, sizes.map(|size| group * size..(group + 1) * size)))
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
        let channels = inputs[0].last().copied().unwrap_or(0) / self.groups.max(1);
        let [rows, columns] = self.kernel.0;
        let window = rows.saturating_mul(columns);
        let spec = |name, shape, initializer, layout| ParameterSpec {
            name,
            shape,
            initializer,
            fan_in: window.saturating_mul(channels),
            fan_out: window.saturating_mul(self.filters) / self.groups.max(1),
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
                Layout::Panels { groups: self.groups },
            ),
            spec("bias", vec![self.filters], Arc::new(Constant::new(0.0)), Layout::Plain),
        ]
    }

    fn cost(&self, inputs: &[&[usize]], output: &[usize]) -> Cost {
        let floats = |shape: &[usize]| shape.iter().product::<usize>() as f64;
        let [rows, columns] = self.kernel.0;
        let sum = (rows * columns * inputs[0][2] / self.groups.max(1)) as f64;
        Cost { flops: 2.0 * floats(output) * sum, floats: floats(inputs[0]) + floats(output) }
    }

    fn work(
        &self,
        phase: Phase,
        inputs: &[&[usize]],
        output: &[usize],
        numerics: Numerics,
    ) -> Cost {
        let cost = self.cost(inputs, output);
        let Ok(shape) = self.geometry(inputs[0]) else { return cost };
        let (way, groups) = (Way::of(&shape, phase, numerics), self.groups as f64);
        Cost { flops: groups * way.operations(&shape, phase, cost.flops / groups), ..cost }
    }

    fn item_split(&self, inputs: &[&[usize]], numerics: Numerics) -> ItemSplit {
        let Ok(shape) = self.geometry(inputs[0]) else { return ItemSplit::Whole };
        match Way::of(&shape, Phase::Forward, numerics).winograd() {
            // Parts begin at rows of tiles: other tiles would give other bits.
            Some(fast) => ItemSplit::Rows(fast.side() * shape.output[1]),
            None => item_split(shape.output),
        }
    }

    fn param_split(&self, _inputs: &[&[usize]]) -> Split {
        Split::Items
    }

    fn param_grad_sums(&self, inputs: &[&[usize]], numerics: Numerics) -> usize {
        let Ok(shape) = self.geometry(inputs[0]) else { return 0 };
        let fast = Way::of(&shape, Phase::ParamGrad, numerics).winograd();
        fast.map_or(0, |fast| self.groups * fast.prepared_len(&shape))
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

    fn forward(&self, context: &Context<'_>, mut output: MatrixMut<'_>) -> Result<(), String> {
        let mut shape = self.shape(context.input_shape(0))?;
        // Parts are computed as the whole would be, in the same tiles.
        let way = Way::of(&shape, Phase::Forward, context.numerics());
        let len = way.prepared_len(&shape, Pass::Forward);
        let prepared = if len > 0 { context.prepared() } else { &[] };
        let rows = [(shape.kernel[0] - 1) * shape.dilation[0] + 1, shape.stride[0]];
        let Conv2dShape { input, output: places, padding, .. } = &mut shape;
        let pixels = cut_to_part(context, rows, input, places, padding);
        let (items, bias) = (context.items(), context.parameter(1));
        let input = context.input(0).slice_rows(pixels);
        for (group, [channels, filters]) in self.ranges(&shape) {
            let (input, bias) = (input.slice_cols(channels), &bias[filters.clone()]);
            let (plain, prepared) =
                (context.group_panels(0, group), of_group(prepared, len, group));
            let weights = Weights { plain, prepared, bias };
            way.forward(&shape, items, input, weights, output.reborrow().slice_cols(filters));
        }
        Ok(())
    }

    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        mut gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let shape = self.shape(context.input_shape(0))?;
        let (items, output_grad) = (context.items(), context.output_grad());
        let way = Way::of(&shape, Phase::InputGrad, context.numerics());
        let len = way.prepared_len(&shape, Pass::Backward);
        for (group, [channels, filters]) in self.ranges(&shape) {
            let prepared = of_group(context.prepared(), len, group);
            let output_grad = output_grad.slice_cols(filters);
            let gradient = gradient.reborrow().slice_cols(channels);
            way.input_grad(&shape, items, output_grad, prepared, gradient);
        }
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
        let len = gradient.len() / self.groups;
        let gradients = gradient.chunks_exact_mut(len);
        let way = Way::of(&shape, Phase::ParamGrad, context.numerics());
        for ((_, [channels, filters]), gradient) in self.ranges(&shape).zip(gradients) {
            let (input, grads) = (input.slice_cols(channels), output_grad.slice_cols(filters));
            way.weight_grad(&shape, items, input, grads, gradient);
        }
        Ok(())
    }
}

impl PreparedWeights for Conv2d {
    fn floats(
        &self,
        pass: Pass,
        inputs: &[&[usize]],
        numerics: Numerics,
        _readers: FormReaders,
    ) -> usize {
        let Ok(shape) = self.geometry(inputs[0]) else { return 0 };
        self.groups * Way::of_pass(&shape, pass, numerics).prepared_len(&shape, pass)
    }

    fn prepare(
        &self,
        context: &Context<'_>,
        pass: Pass,
        prepared: &mut [f32],
    ) -> Result<(), String> {
        let shape = self.shape(context.input_shape(0))?;
        let way = Way::of_pass(&shape, pass, context.numerics());
        let len = prepared.len() / self.groups;
        for (group, prepared) in prepared.chunks_exact_mut(len).enumerate() {
            way.prepare(&shape, pass, context.group_panels(0, group), prepared);
        }
        Ok(())
    }
}

/// The weights of group number `group`, of `len` floats each.
fn of_group(prepared: &[f32], len: usize, group: usize) -> &[f32] {
    &prepared[group * len..][..len]
}
