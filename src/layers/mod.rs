//! What nodes compute: the [`Layer`] trait and the [`LAYERS`] table.
//!
//! To add a layer, write one file that holds everything about it, its `SPEC` included, and add two
//! lines here. Model files, the command line, the gradient and save/load laws and the documentation
//! read the table. A program's own layers are types that implement the trait, or [`Custom`].

mod add;
mod argmax;
mod avgpool;
mod batch_norm;
mod causal_softmax;
mod checks;
mod clip;
mod concat;
mod conv2d;
mod conv2d_transpose;
mod convolution_choice;
mod custom;
mod dense;
mod depthwise_conv2d;
mod divide;
mod dropout;
mod elu;
mod embedding;
mod fill;
mod flatten;
mod gelu;
mod global_avg_pool;
mod global_max_pool;
mod layer;
mod layer_norm;
mod leaky_relu;
mod matmul;
mod maxpool;
mod multiply;
mod one_hot;
mod pointwise;
mod prelu;
mod prepared_weights;
mod relu;
mod reshape;
mod scale;
mod sigmoid;
mod silu;
mod slice;
mod softmax;
mod softplus;
mod stop_gradient;
mod subtract;
mod tanh;
mod transpose;
mod upsample;
mod whole_batch;
mod window;
mod zero_padding;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::de::DeserializeOwned;

pub use add::Add;
pub use argmax::Argmax;
pub use avgpool::AvgPool;
pub use batch_norm::BatchNorm;
pub use causal_softmax::CausalSoftmax;
pub use clip::Clip;
pub use concat::Concat;
pub use conv2d::Conv2d;
pub use conv2d_transpose::Conv2dTranspose;
pub use custom::Custom;
pub use dense::Dense;
pub use depthwise_conv2d::DepthwiseConv2d;
pub use divide::Divide;
pub use dropout::Dropout;
pub use elu::Elu;
pub use embedding::Embedding;
pub use fill::Fill;
pub use flatten::Flatten;
pub use gelu::Gelu;
pub use global_avg_pool::GlobalAvgPool;
pub use global_max_pool::GlobalMaxPool;
pub use layer::{Arity, Cost, ItemSplit, Layer, Misfit, Reads, Split, View};
pub use layer_norm::LayerNorm;
pub use leaky_relu::LeakyRelu;
pub use matmul::MatMul;
pub use maxpool::MaxPool;
pub use multiply::Multiply;
pub use one_hot::OneHot;
pub use prelu::Prelu;
pub use prepared_weights::{FormReaders, PreparedWeights};
pub use relu::Relu;
pub use reshape::Reshape;
pub use scale::Scale;
pub use sigmoid::Sigmoid;
pub use silu::Silu;
pub use slice::Slice;
pub use softmax::Softmax;
pub use softplus::Softplus;
pub use stop_gradient::StopGradient;
pub use subtract::Subtract;
pub use tanh::Tanh;
pub use transpose::Transpose;
pub use upsample::Upsample;
pub use whole_batch::WholeBatch;
pub use window::{Padding, Pair};
pub use zero_padding::ZeroPadding;

use self::checks::{equal_shapes, last_axis, read_indices, require_not_negative};
pub use crate::attributes::no_attributes;
use crate::attributes::{finite, from_attributes, to_attributes};
pub use crate::context::Pass;
use crate::error::{Error, Result};
pub use crate::parameter::{Layout, ParameterKind, ParameterSpec};

/// Every layer kind, in the order of the documentation.
pub const LAYERS: &[&LayerSpec] = &[
    &dense::SPEC,
    &conv2d::SPEC,
    &depthwise_conv2d::SPEC,
    &conv2d_transpose::SPEC,
    &embedding::SPEC,
    &maxpool::SPEC,
    &avgpool::SPEC,
    &global_max_pool::SPEC,
    &global_avg_pool::SPEC,
    &relu::SPEC,
    &leaky_relu::SPEC,
    &prelu::SPEC,
    &elu::SPEC,
    &clip::SPEC,
    &gelu::SPEC,
    &silu::SPEC,
    &softplus::SPEC,
    &tanh::SPEC,
    &sigmoid::SPEC,
    &softmax::SPEC,
    &causal_softmax::SPEC,
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
    &batch_norm::SPEC,
    &layer_norm::SPEC,
    &stop_gradient::SPEC,
    &one_hot::SPEC,
    &argmax::SPEC,
];

/// One row of the [`LAYERS`] table.
#[derive(Debug)]
#[non_exhaustive]
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
#[non_exhaustive]
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
