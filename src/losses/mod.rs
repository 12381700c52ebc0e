//! How wrong predictions are: the [`Loss`] trait and the [`LOSSES`] table.
//!
//! To add a loss, write one file that holds everything about it, its `SPEC` included, and add two
//! lines here.

mod binary_cross_entropy;
mod binary_focal;
mod class_weights;
mod cross_entropy;
mod hinge;
mod huber;
mod kl_divergence;
mod mean_squared_error;
mod softmax_cross_entropy;
mod softmax_focal;
pub(crate) mod targets;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

pub use binary_cross_entropy::BinaryCrossEntropy;
pub use binary_focal::BinaryFocal;
pub use class_weights::ClassWeights;
pub use cross_entropy::CrossEntropy;
pub use hinge::Hinge;
pub use huber::Huber;
pub use kl_divergence::KlDivergence;
pub use mean_squared_error::MeanSquaredError;
pub use softmax_cross_entropy::SoftmaxCrossEntropy;
pub use softmax_focal::SoftmaxFocal;

use crate::attributes::{from_attributes, no_attributes};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Reads, Sample};
use crate::tensor::describe_shape;

/// Every loss kind, in the order of the documentation.
pub const LOSSES: &[&LossSpec] = &[
    &softmax_cross_entropy::SPEC,
    &cross_entropy::SPEC,
    &binary_cross_entropy::SPEC,
    &softmax_focal::SPEC,
    &binary_focal::SPEC,
    &kl_divergence::SPEC,
    &hinge::SPEC,
    &mean_squared_error::SPEC,
    &huber::SPEC,
];

/// One row of the [`LOSSES`] table.
#[derive(Debug)]
#[non_exhaustive]
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

/// Reads `T` from attributes; for the `parse` of a row.
fn parse_checked<T: Loss + DeserializeOwned + 'static>(
    attributes: toml::Table,
) -> Result<Arc<dyn Loss>, String> {
    let loss: T = from_attributes(attributes)?;
    loss.check_attributes()?;
    Ok(Arc::new(loss))
}

/// The gamma of focal losses, unless they say otherwise.
fn default_gamma() -> f32 {
    2.0
}

fn check_gamma(gamma: f32) -> Result<(), String> {
    if gamma.is_finite() && gamma >= 0.0 {
        return Ok(());
    }
    Err(format!("`gamma` is {gamma}, not a number >= 0"))
}

/// `base^exponent`, where the usual exponents are cheap; 1 for an exponent of 0, but NaN of NaN.
fn power(base: f64, exponent: f64) -> f64 {
    match exponent {
        0.0 => 1.0 + 0.0 * base,
        1.0 => base,
        2.0 => base * base,
        _ => base.powf(exponent),
    }
}

/// Whether prediction and target have one shape.
fn check_same_shape(inputs: &[&[usize]]) -> Result<(), Misfit> {
    if inputs[0] == inputs[1] {
        return Ok(());
    }
    Err(Misfit::new(
        format!(
            "prediction and target differ in shape: {} and {}",
            describe_shape(inputs[0]),
            describe_shape(inputs[1])
        ),
        "give both the same shape",
    ))
}

/// Writes the mean over each item's rows.
fn mean_by_item(by_row: &[f32], items: usize, mut losses: MatrixMut<'_>) {
    let rows = (by_row.len() / items.max(1)).max(1);
    for (item, of_item) in by_row.chunks_exact(rows).enumerate() {
        let sum = of_item.iter().map(|&loss| f64::from(loss)).sum::<f64>();
        losses.row_mut(item)[0] = (sum / rows as f64) as f32;
    }
}

/// Writes the mean over each item's numbers of `loss`, given a number of the prediction and of the
/// target.
fn mean_by_number(
    context: &Context<'_>,
    mut losses: MatrixMut<'_>,
    loss: impl Fn(f64, f64) -> f64,
) {
    let (prediction, target) = (context.input(0), context.input(1));
    let rows = prediction.rows() / context.items().max(1);
    let numbers = (rows * prediction.cols()) as f64;
    for item in 0..context.items() {
        let mut sum = 0.0;
        for row in item * rows..(item + 1) * rows {
            for (p, t) in prediction.row(row).iter().zip(target.row(row)) {
                sum += loss(f64::from(*p), f64::from(*t));
            }
        }
        losses.row_mut(item)[0] = (sum / numbers) as f32;
    }
}

/// Writes `scale` over an item's numbers times `slope`, given a number of the prediction and of the
/// target.
fn slope_by_number(
    context: &Context<'_>,
    scale: f32,
    mut gradient: MatrixMut<'_>,
    slope: impl Fn(f32, f32) -> f32,
) {
    let (prediction, target) = (context.input(0), context.input(1));
    let rows = prediction.rows() / context.items().max(1);
    let factor = scale / (rows * prediction.cols()) as f32;
    for row in 0..prediction.rows() {
        let pairs = prediction.row(row).iter().zip(target.row(row));
        for (gradient, (p, t)) in gradient.row_mut(row).iter_mut().zip(pairs) {
            *gradient = factor * slope(*p, *t);
        }
    }
}

/// What a loss's target holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetValues {
    /// Class indices below this number.
    Classes(usize),
    /// Any numbers.
    Numbers,
}

/// How wrong a prediction (input 0) is, given a target (input 1).
///
/// The value of a batch is the mean over its items; a network's loss is the weighted sum of the
/// values of its loss nodes. A loss node may have a third input, a weight for every item, by which the node
/// multiplies what the loss says of that item; the loss itself sees prediction and target alone.
pub trait Loss: fmt::Debug + Send + Sync {
    /// The kind as written in model files.
    fn kind(&self) -> &'static str;

    /// The attributes as a model file holds them.
    fn attributes(&self) -> toml::Table;

    /// Whether prediction and target fit.
    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit>;

    /// Says why its settings can't work, whatever the shapes.
    fn check_attributes(&self) -> Result<(), String> {
        Ok(())
    }

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

    /// Whether its class weights are [`ClassWeights::Balanced`], and have still to be counted.
    fn balances_classes(&self) -> bool {
        false
    }

    /// The same loss with a weight for every class, if it can have some.
    fn with_class_weights(&self, _weights: Vec<f32>) -> Option<Arc<dyn Loss>> {
        None
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
