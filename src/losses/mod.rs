//! How wrong predictions are: the [`Loss`] trait and the [`LOSSES`] table.
//!
//! To add a loss, write one file that holds everything about it, its `SPEC` included, and add two
//! lines here.

mod mean_squared_error;
mod softmax_cross_entropy;

use std::fmt;
use std::sync::Arc;

pub use mean_squared_error::MeanSquaredError;
pub use softmax_cross_entropy::SoftmaxCrossEntropy;

use crate::error::{Error, Result};
use crate::executor::Context;
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Reads, Sample, no_attributes};

/// Every loss kind, in the order of the documentation.
pub const LOSSES: &[&LossSpec] = &[&softmax_cross_entropy::SPEC, &mean_squared_error::SPEC];

/// One row of the [`LOSSES`] table.
#[derive(Debug)]
pub struct LossSpec {
    /// The kind as written in model files.
    pub kind: &'static str,
    /// What it computes, in one line.
    pub summary: &'static str,
    /// Its attributes in model files beside `weight`, with their meaning and default.
    pub attributes: &'static [(&'static str, &'static str)],
    /// Reads the attributes of a model file.
    pub parse: fn(toml::Table) -> Result<Arc<dyn Loss>, String>,
    /// Configurations with fitting item shapes, over which the law tests run.
    pub samples: &'static [Sample],
}

/// Looks a kind up in the table.
pub fn find(kind: &str) -> Result<&'static LossSpec> {
    LOSSES
        .iter()
        .find(|spec| spec.kind == kind)
        .copied()
        .ok_or_else(|| Error::unknown("loss", kind, LOSSES.iter().map(|spec| spec.kind)))
}

/// Makes a `T` without attributes; for the `parse` of a row.
#[allow(clippy::needless_pass_by_value)] // the signature of the table
fn parse_plain<T: Loss + Default + 'static>(
    attributes: toml::Table,
) -> Result<Arc<dyn Loss>, String> {
    no_attributes(&attributes)?;
    Ok(Arc::new(T::default()))
}

/// What a loss's target holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetValues {
    /// Class indices below this number.
    Classes(usize),
    /// Any numbers.
    Numbers,
}

/// How wrong a prediction (input 0) is, given a target (input 1).
///
/// The value of a batch is the mean over its items; a network's loss is the weighted sum of the
/// values of its loss nodes.
pub trait Loss: fmt::Debug + Send + Sync {
    /// The kind as written in model files.
    fn kind(&self) -> &'static str;

    /// The attributes as a model file holds them.
    fn attributes(&self) -> toml::Table;

    /// Whether prediction and target fit.
    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit>;

    /// What the target holds, given the shape of the prediction.
    fn target_values(&self, inputs: &[&[usize]]) -> TargetValues;

    /// Whether the loss has a gradient with respect to input number `input`.
    fn differentiable(&self, input: usize) -> bool {
        input == 0
    }

    /// What the gradient reads.
    fn input_grad_reads(&self) -> Reads {
        Reads::INPUTS
    }

    /// Whether a gradient of it can end in an error, as in [`crate::layers::Layer`].
    fn backward_can_fail(&self) -> bool {
        true
    }

    /// Writes the loss of every item of the part.
    fn forward(&self, context: &Context<'_>, losses: MatrixMut<'_>) -> Result<(), String>;

    /// Computes `scale` times the gradient of the items' losses with respect to input number
    /// `input`. The scale holds the loss's weight and one over the items of the batch.
    fn input_grad(
        &self,
        context: &Context<'_>,
        input: usize,
        scale: f32,
        gradient: MatrixMut<'_>,
    ) -> Result<(), String>;
}
