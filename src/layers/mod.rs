//! What nodes compute: the [`Layer`] trait and the [`LAYERS`] table.
//!
//! To add a layer, write one file that holds everything about it, its `SPEC` included, and add two
//! lines here. Model files, the command line, the gradient and save/load laws and the documentation
//! read the table. A program's own layers are types that implement the trait, or [`Custom`].

mod add;
mod argmax;
mod avgpool;
mod checks;
mod concat;
mod conv2d;
mod custom;
mod dense;
mod divide;
mod dropout;
mod elu;
mod embedding;
mod fill;
mod flatten;
mod gelu;
mod global_avg_pool;
mod global_max_pool;
mod layer_norm;
mod leaky_relu;
mod matmul;
mod maxpool;
mod multiply;
mod one_hot;
mod parameter;
mod prelu;
mod relu;
mod reshape;
mod scale;
mod sigmoid;
mod silu;
mod slice;
mod softmax;
mod softplus;
mod subtract;
mod tanh;
mod transpose;
mod upsample;
mod window;
mod zero_padding;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};

pub use add::Add;
pub use argmax::Argmax;
pub use avgpool::AvgPool;
pub use concat::Concat;
pub use conv2d::Conv2d;
pub use custom::Custom;
pub use dense::Dense;
pub use divide::Divide;
pub use dropout::Dropout;
pub use elu::Elu;
pub use embedding::Embedding;
pub use fill::Fill;
pub use flatten::Flatten;
pub use gelu::Gelu;
pub use global_avg_pool::GlobalAvgPool;
pub use global_max_pool::GlobalMaxPool;
pub use layer_norm::LayerNorm;
pub use leaky_relu::LeakyRelu;
pub use matmul::MatMul;
pub use maxpool::MaxPool;
pub use multiply::Multiply;
pub use one_hot::OneHot;
pub use parameter::{Layout, ParameterSpec};
pub use prelu::Prelu;
pub use relu::Relu;
pub use reshape::Reshape;
pub use scale::Scale;
pub use sigmoid::Sigmoid;
pub use silu::Silu;
pub use slice::Slice;
pub use softmax::Softmax;
pub use softplus::Softplus;
pub use subtract::Subtract;
pub use tanh::Tanh;
pub use transpose::Transpose;
pub use upsample::Upsample;
pub use window::{Padding, Pair};
pub use zero_padding::ZeroPadding;

use self::checks::{equal_shapes, last_axis, read_indices, require_not_negative};
use crate::error::{Error, Result};
use crate::executor::Context;
use crate::kernels::MatrixMut;
use crate::tensor::Shape;

/// Every layer kind, in the order of the documentation.
pub const LAYERS: &[&LayerSpec] = &[
    &dense::SPEC,
    &conv2d::SPEC,
    &embedding::SPEC,
    &maxpool::SPEC,
    &avgpool::SPEC,
    &global_max_pool::SPEC,
    &global_avg_pool::SPEC,
    &relu::SPEC,
    &leaky_relu::SPEC,
    &prelu::SPEC,
    &elu::SPEC,
    &gelu::SPEC,
    &silu::SPEC,
    &softplus::SPEC,
    &tanh::SPEC,
    &sigmoid::SPEC,
    &softmax::SPEC,
    &concat::SPEC,
    &add::SPEC,
    &subtract::SPEC,
    &multiply::SPEC,
    &divide::SPEC,
    &scale::SPEC,
    &matmul::SPEC,
    &transpose::SPEC,
    &flatten::SPEC,
    &reshape::SPEC,
    &slice::SPEC,
    &zero_padding::SPEC,
    &upsample::SPEC,
    &fill::SPEC,
    &dropout::SPEC,
    &layer_norm::SPEC,
    &one_hot::SPEC,
    &argmax::SPEC,
];

/// One row of the [`LAYERS`] table.
#[derive(Debug)]
pub struct LayerSpec {
    /// The kind as written in model files.
    pub kind: &'static str,
    /// What it computes, in one line.
    pub summary: &'static str,
    /// Its attributes in model files, with their meaning and default.
    pub attributes: &'static [(&'static str, &'static str)],
    /// Reads the attributes of a model file.
    pub parse: fn(toml::Table) -> Result<Arc<dyn Layer>, String>,
    /// Configurations with fitting item shapes, over which the law tests run.
    pub samples: &'static [Sample],
}

/// A configuration of a layer, loss or metric, with shapes that fit it.
#[derive(Debug)]
pub struct Sample {
    /// Attributes as in a model file.
    pub attributes: &'static str,
    /// One item shape an input.
    pub inputs: &'static [&'static [usize]],
}

/// Looks a kind up in the table.
pub fn find(kind: &str) -> Result<&'static LayerSpec> {
    LAYERS
        .iter()
        .find(|spec| spec.kind == kind)
        .copied()
        .ok_or_else(|| Error::unknown("layer", kind, LAYERS.iter().map(|spec| spec.kind)))
}

/// Reads `T` from the attributes of a model file; for the `parse` of a row.
pub(crate) fn parse<T: Layer + DeserializeOwned + 'static>(
    attributes: toml::Table,
) -> Result<Arc<dyn Layer>, String> {
    from_attributes::<T>(attributes).map(|layer| Arc::new(layer) as Arc<dyn Layer>)
}

/// Makes a `T` without attributes; for the `parse` of a row.
#[allow(clippy::needless_pass_by_value)] // the signature of the table
pub(crate) fn parse_plain<T: Layer + Default + 'static>(
    attributes: toml::Table,
) -> Result<Arc<dyn Layer>, String> {
    no_attributes(&attributes)?;
    Ok(Arc::new(T::default()))
}

/// Refuses attributes where there are none.
///
/// # Errors
/// If there is one; names it.
pub fn no_attributes(attributes: &toml::Table) -> Result<(), String> {
    match attributes.keys().next() {
        None => Ok(()),
        Some(key) => Err(format!("unknown attribute `{key}`; it has none")),
    }
}

/// Reads any table row's type from the attributes of a model file.
pub(crate) fn from_attributes<T: DeserializeOwned>(attributes: toml::Table) -> Result<T, String> {
    toml::Value::Table(attributes).try_into().map_err(|error: toml::de::Error| {
        // The problem, and on a line of its own the attribute, where one is to blame.
        error.to_string().trim().replace('\n', " ")
    })
}

/// Reads an attribute that is a finite number.
pub(crate) fn finite<'de, D: Deserializer<'de>>(source: D) -> Result<f32, D::Error> {
    let number = f32::deserialize(source)?;
    if number.is_finite() {
        return Ok(number);
    }
    Err(D::Error::custom(format!("expected a finite number, not {number}")))
}

/// The attributes of a layer as a model file holds them.
pub(crate) fn to_attributes<T: Serialize>(value: &T) -> toml::Table {
    // Layers are structs of numbers, strings and lists, all of which the format can write.
    toml::Table::try_from(value).unwrap_or_default()
}

/// How many inputs a node takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// This many.
    Exactly(usize),
    /// This many or more.
    AtLeast(usize),
}

/// Why input shapes do not fit, before the node's name is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// What is wrong.
    pub problem: String,
    /// What would mend it.
    pub remedy: String,
}

impl Misfit {
    /// A misfit with its remedy.
    pub fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }
}

/// What a gradient task reads beside the gradient of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reads {
    /// The activations of the inputs.
    pub inputs: bool,
    /// The activation of the node itself.
    pub output: bool,
}

impl Reads {
    /// Nothing.
    pub const NOTHING: Self = Self { inputs: false, output: false };
    /// The inputs.
    pub const INPUTS: Self = Self { inputs: true, output: false };
    /// The output.
    pub const OUTPUT: Self = Self { inputs: false, output: true };
    /// Inputs and output.
    pub const BOTH: Self = Self { inputs: true, output: true };
}

/// How a layer's output is made of its inputs without computing anything. Gradients go the same way
/// back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Not at all: it computes.
    Computed,
    /// The output is the only input's numbers in the same order, with other axes.
    Reshape,
    /// The output's columns (its last axis) are those of the inputs, side by side.
    Columns,
}

/// Along which axis the work of a task may be split into parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Not at all.
    Whole,
    /// Along the items of the batch.
    Items,
    /// Along the rows of each parameter; only for parameter gradients.
    Rows,
}

/// The work of a node, for one item of the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Floating-point operations; a multiplication and an addition count as two.
    pub flops: f64,
    /// Numbers read and written.
    pub floats: f64,
}

/// What a node computes, forward and backward.
///
/// A task of a node may be split into parts. Each call sees the part's items only:
/// [`Context::input`] and the others give exactly those rows, and the given output holds exactly
/// those rows. Rows are the tensor seen as a matrix of (all leading axes) x (last axis).
///
/// Equal calls must give equal bits, however the items are split.
pub trait Layer: fmt::Debug + Send + Sync {
    /// The kind as written in model files.
    fn kind(&self) -> &'static str;

    /// The attributes as a model file holds them, such that the table's `parse` gives this layer.
    fn attributes(&self) -> toml::Table;

    /// How many inputs it takes.
    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    /// The shape of one item of its output, or why the inputs do not fit.
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape, Misfit>;

    /// The parameters that it needs for inputs of these shapes.
    fn parameters(&self, _inputs: &[&[usize]]) -> Vec<ParameterSpec> {
        Vec::new()
    }

    /// The work of the forward task for one item. The two gradients are taken to cost the same each.
    fn cost(&self, inputs: &[&[usize]], output: &[usize]) -> Cost {
        let floats = |shape: &[usize]| shape.iter().product::<usize>() as f64;
        let moved = inputs.iter().map(|shape| floats(shape)).sum::<f64>() + floats(output);
        Cost { flops: floats(output), floats: moved }
    }

    /// How forward and input gradient may be split.
    fn split(&self) -> Split {
        Split::Items
    }

    /// The fewest items that a part of forward or input gradient is worth: weights are read once a
    /// part.
    fn smallest_part(&self, _inputs: &[&[usize]]) -> usize {
        1
    }

    /// How the parameter gradient may be split: along the rows of each parameter, or along items,
    /// whose sums are then added in order.
    fn param_split(&self, _inputs: &[&[usize]]) -> Split {
        Split::Whole
    }

    /// Whether the output has a gradient with respect to input number `input`.
    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    /// How many indices there are, if input number `input` holds indices: whole numbers from 0 to one
    /// less than that.
    fn indices(&self, _input: usize) -> Option<usize> {
        None
    }

    /// Whether the output is a view of the inputs. A plan then computes nothing where it can place
    /// the inputs so; where it can't, it calls [`Layer::forward`] and [`Layer::input_grad`], which
    /// copy.
    fn view(&self, _inputs: &[&[usize]]) -> View {
        View::Computed
    }

    /// Whether [`Layer::forward`] may write over its first input, and [`Layer::input_grad`] over the
    /// gradient of the output: asked of [`Context::in_place`].
    fn in_place(&self) -> bool {
        false
    }

    /// Whether the gradient of every input is the gradient of the output, unchanged.
    fn passes_gradient(&self) -> bool {
        false
    }

    /// Whether a gradient of it can end in an error. Updates of parameters wait for every task that
    /// can fail, so that a failed step leaves the weights as they were.
    fn backward_can_fail(&self) -> bool {
        true
    }

    /// What the input gradient reads.
    fn input_grad_reads(&self) -> Reads {
        Reads::BOTH
    }

    /// What the parameter gradient reads.
    fn param_grad_reads(&self) -> Reads {
        Reads::INPUTS
    }

    /// Floats of a form of the weights that the input gradient reads and [`Layer::prepare`] writes
    /// once a step; 0 for none.
    fn prepared_floats(&self, _inputs: &[&[usize]]) -> usize {
        0
    }

    /// Writes that form.
    fn prepare(&self, _context: &Context<'_>, _prepared: &mut [f32]) -> Result<(), String> {
        Ok(())
    }

    /// Computes the output rows of the part's items.
    fn forward(&self, context: &Context<'_>, output: MatrixMut<'_>) -> Result<(), String>;

    /// Computes the gradient of input number `input` for the part's items.
    fn input_grad(
        &self,
        context: &Context<'_>,
        input: usize,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String>;

    /// Computes the gradient of parameter number `parameter`: the given rows of it if the split is
    /// [`Split::Rows`], else all of it, summed over the part's items. `gradient` holds just those
    /// floats, in the parameter's layout, and everything in it must be written.
    fn param_grad(
        &self,
        _context: &Context<'_>,
        _parameter: usize,
        _rows: Range<usize>,
        _gradient: &mut [f32],
    ) -> Result<(), String> {
        Ok(())
    }
}
