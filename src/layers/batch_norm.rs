//! Normalisation over the batch.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Cost, ItemSplit, Layer, LayerSpec, Layout, Misfit, ParameterKind, ParameterSpec, Pass, Reads,
    Sample, WholeBatch, finite, last_axis, parse, to_attributes,
};
use crate::context::{Context, Numerics};
use crate::initializers::Constant;
use crate::kernels::{self, MatrixMut, with_scratch};
use crate::tensor::Shape;

pub(super) static SPEC: LayerSpec = LayerSpec {
    kind: "batch_norm",
    summary: "each channel less its mean, over its standard deviation, times weight plus bias: in \
              training those of the batch, else running averages",
    attributes: &[
        (
            "momentum",
            "how far a step moves the running averages towards the batch, from 0 to 1; default 0.1",
        ),
        ("epsilon", "added to the variance, above 0; default 1e-5"),
    ],
    parse: parse::<BatchNorm>,
    samples: &[
        Sample { attributes: "", inputs: &[&[3, 4, 5]] },
        Sample { attributes: "epsilon = 0.5\nmomentum = 0.25", inputs: &[&[3, 2, 19]] },
        Sample { attributes: "epsilon = 0.1", inputs: &[&[16]] },
        Sample { attributes: "epsilon = 0.5", inputs: &[&[1, 1, 2]] },
    ],
};

/// Batch normalisation (Ioffe and Szegedy 2015). A channel is an index of the last axis, and its
/// numbers are those of all items of the batch and all places:
/// `(x - mean) / sqrt(variance + epsilon) * weight + bias`. The output has the input's shape.
///
/// In training, `mean` and `variance` (the mean squared distance from the mean) are those of the
/// batch. A channel of one number has no variance: where items have one number a channel, batches of a
/// single item are refused in training, as in `PyTorch`, and such a last batch of an epoch joins the one
/// before. Every training step also moves two running averages by `momentum * (batch - running)`, which is `PyTorch`'s convention; a
/// momentum of 0.1 here is one of 0.9 in Keras. As in `PyTorch`, the variance of the batch goes into
/// its average times `n / (n - 1)`, for a channel of `n > 1` numbers. Evaluation and prediction use the
/// averages, and do not move them; so does training where the node does not train (Keras's rule).
///
/// Its parameters have a number for each channel: `weight`, at first 1, and `bias`, at first 0, which
/// are learned, and the averages `running_mean`, at first 0, and `running_variance`, at first 1, which
/// no optimizer moves.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    #[serde(default = "default_momentum", deserialize_with = "finite")]
    momentum: f32,
    #[serde(default = "default_epsilon", deserialize_with = "finite")]
    epsilon: f32,
}

fn default_momentum() -> f32 {
    0.1
}

fn default_epsilon() -> f32 {
    1e-5
}

impl Default for BatchNorm {
    /// Momentum 0.1, epsilon 1e-5.
    fn default() -> Self {
        Self { momentum: default_momentum(), epsilon: default_epsilon() }
    }
}

// Places of the parameters.
const WEIGHT: usize = 0;
const BIAS: usize = 1;
const RUNNING_MEAN: usize = 2;
const RUNNING_VARIANCE: usize = 3;

impl BatchNorm {
    /// Momentum 0.1, epsilon 1e-5.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the running averages by `momentum`, from 0 to 1, of the way to the batch's.
    #[must_use]
    pub fn momentum(mut self, momentum: f32) -> Self {
        self.momentum = momentum;
        self
    }

    /// Adds `epsilon`, which is above 0, to the variance.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f32) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// One over the standard deviation of each channel.
    fn scale(&self, variance: &[f32], scale: &mut [f32]) {
        for (scale, variance) in scale.iter_mut().zip(variance) {
            *scale = 1.0 / (variance + self.epsilon).sqrt();
        }
    }
}

/// How many numbers a channel has in some items.
fn rows(context: &Context<'_>, items: usize) -> usize {
    let (_, places) = context.input_shape(0).split_last().unwrap_or((&1, &[]));
    items * places.iter().product::<usize>()
}

/// The halves of a summary, which has two numbers for each channel.
fn halves(numbers: &[f32]) -> [&[f32]; 2] {
    numbers.split_at(numbers.len() / 2).into()
}

/// The means and variances to normalise with: of the batch, or else the running averages.
fn moments<'a>(context: &Context<'a>) -> [&'a [f32]; 2] {
    let running = || [RUNNING_MEAN, RUNNING_VARIANCE].map(|parameter| context.parameter(parameter));
    context.summary(Pass::Forward).map_or_else(running, halves)
}

impl Layer for BatchNorm {
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
        if !(0.0..=1.0).contains(&self.momentum) {
            return Err(Misfit::new(
                format!("its momentum is {}", self.momentum),
                "give `momentum` a number from 0 to 1, such as 0.1",
            ));
        }
        last_axis(inputs[0])?;
        Ok(inputs[0].to_vec())
    }

    fn parameters(&self, inputs: &[&[usize]]) -> Vec<ParameterSpec> {
        let channels = inputs[0].last().copied().unwrap_or(0);
        let spec = |name, first, kind| ParameterSpec {
            name,
            shape: vec![channels],
            initializer: Arc::new(Constant::new(first)),
            fan_in: 1,
            fan_out: 1,
            layout: Layout::Plain,
            kind,
        };
        vec![
            spec("weight", 1.0, ParameterKind::Learned),
            spec("bias", 0.0, ParameterKind::Learned),
            spec("running_mean", 0.0, ParameterKind::Statistic),
            spec("running_variance", 1.0, ParameterKind::Statistic),
        ]
    }

    fn cost(&self, _inputs: &[&[usize]], output: &[usize]) -> Cost {
        let floats = output.iter().product::<usize>() as f64;
        Cost { flops: 4.0 * floats, floats: 2.5 * floats }
    }

    fn item_split(&self, _inputs: &[&[usize]], _numerics: Numerics) -> ItemSplit {
        ItemSplit::SamePlace
    }

    fn in_place(&self) -> bool {
        true
    }

    fn input_grad_reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn backward_can_fail(&self) -> bool {
        false
    }

    fn whole_batch(&self) -> Option<&dyn WholeBatch> {
        Some(self)
    }

    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String> {
        let columns = context.output_columns();
        let [mean, variance] = moments(context).map(|numbers| &numbers[columns.clone()]);
        let [weight, bias] =
            [WEIGHT, BIAS].map(|parameter| &context.parameter(parameter)[columns.clone()]);
        let input = (!context.in_place()).then(|| context.input(0));
        with_scratch(variance.len(), |factor| {
            self.scale(variance, factor);
            factor.iter_mut().zip(weight).for_each(|(factor, weight)| *factor *= weight);
            kernels::batch_norm(input, mean, factor, bias, output);
        });
        Ok(())
    }

    /// With `n` the normalised input and `g` the gradient of the output, it is
    /// `(g - mean(g) - n * mean(g * n)) * weight` over the standard deviation; with running averages,
    /// `g * weight` over it.
    fn input_grad(
        &self,
        context: &Context<'_>,
        _input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String> {
        let [mean, variance] = moments(context);
        let sums = context.summary(Pass::Backward).map(halves);
        let weight = context.parameter(WEIGHT);
        let share = 1.0 / rows(context, context.batch()) as f32;
        let channels = variance.len();
        with_scratch(3 * channels, |coefficients| {
            let (factor, rest) = coefficients.split_at_mut(channels);
            let (slope, offset) = rest.split_at_mut(channels);
            self.scale(variance, factor);
            for channel in 0..channels {
                let scale = factor[channel];
                factor[channel] *= weight[channel];
                // The running averages are constants.
                let [sum, product] = sums.map_or([0.0; 2], |sums| sums.map(|sums| sums[channel]));
                slope[channel] = factor[channel] * scale * product * share;
                offset[channel] = factor[channel] * sum * share;
            }
            let (input, output_grad) = (context.input(0), context.output_grad());
            kernels::batch_norm_grad(input, mean, output_grad, [factor, slope, offset], gradient);
        });
        Ok(())
    }

    fn param_grad(
        &self,
        context: &Context<'_>,
        parameter: usize,
        _rows: Range<usize>,
        gradient: &mut [f32],
    ) -> Result<(), String> {
        let sums = context.summary(Pass::Backward).ok_or("nobody summed its gradients")?;
        gradient.copy_from_slice(halves(sums)[usize::from(parameter == WEIGHT)]);
        Ok(())
    }
}

impl WholeBatch for BatchNorm {
    /// One number has no spread: less its mean it is 0, whatever it was.
    fn least_items(&self, inputs: &[&[usize]]) -> usize {
        let (_, places) = inputs[0].split_last().unwrap_or((&1, &[]));
        if places.iter().product::<usize>() == 1 { 2 } else { 1 }
    }

    fn summary_floats(&self, inputs: &[&[usize]], _pass: Pass) -> usize {
        2 * inputs[0].last().copied().unwrap_or(0)
    }

    /// Forward, the moments; backward, the sums of the gradient and of it times the normalised input.
    fn summarize(
        &self,
        context: &Context<'_>,
        pass: Pass,
        summary: &mut [f32],
    ) -> Result<(), String> {
        if pass == Pass::Forward {
            kernels::column_moments(context.input(0), summary);
            return Ok(());
        }
        let [mean, variance] = moments(context);
        with_scratch(variance.len(), |scale| {
            self.scale(variance, scale);
            let output_grad = context.output_grad();
            kernels::batch_norm_sums(context.input(0), mean, scale, output_grad, summary);
        });
        Ok(())
    }

    /// Forward, means and variances; backward, sums.
    fn combine(
        &self,
        context: &Context<'_>,
        pass: Pass,
        blocks: &mut dyn Iterator<Item = (usize, &[f32])>,
        summary: &mut [f32],
    ) -> Result<(), String> {
        let mut before = 0;
        for (items, block) in blocks {
            let more = rows(context, items);
            match pass {
                _ if before == 0 => summary.copy_from_slice(block),
                Pass::Forward => kernels::merge_moments(summary, before, block, more),
                Pass::Backward => kernels::add_slices(summary, block),
            }
            before += more;
        }
        if pass == Pass::Forward {
            let half = summary.len() / 2;
            summary[half..].iter_mut().for_each(|squares| *squares /= before as f32);
        }
        Ok(())
    }

    fn move_statistic(&self, context: &Context<'_>, parameter: usize, values: &mut [f32]) {
        let [mean, variance] = moments(context);
        let count = rows(context, context.items());
        let (batch, factor) = match parameter {
            RUNNING_VARIANCE if count > 1 => (variance, count as f32 / (count - 1) as f32),
            RUNNING_VARIANCE => (variance, 1.0),
            _ => (mean, 1.0),
        };
        for (running, batch) in values.iter_mut().zip(batch) {
            *running += self.momentum * (batch * factor - *running);
        }
    }
}
