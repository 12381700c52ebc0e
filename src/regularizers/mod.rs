//! What large weights cost: the [`Regularizer`] trait and the [`REGULARIZERS`] table.
//!
//! A regularizer belongs to one parameter ([`GraphBuilder::regularizer`], or in model files
//! `weight_regularizer = { kind = "l2", rate = 1e-4 }` beside a layer's attributes). Its cost is added
//! to the loss once a step, whatever the size of the batch and however many nodes share the parameter,
//! and its gradient to the parameter's gradient, before that is clipped.
//!
//! To add a regularizer, write one file that holds everything about it, its `SPEC` included, and add
//! two lines here.
//!
//! [`GraphBuilder::regularizer`]: crate::graph::GraphBuilder::regularizer

mod l1;
mod l1_l2;
mod l2;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

pub use l1::L1;
pub use l1_l2::L1L2;
pub use l2::L2;

use crate::attributes::{from_attributes, kind_and_attributes};
use crate::error::{Error, Result};

/// Every regularizer kind, in the order of the documentation.
pub const REGULARIZERS: &[&RegularizerSpec] = &[&l1::SPEC, &l2::SPEC, &l1_l2::SPEC];

/// One row of the [`REGULARIZERS`] table.
#[derive(Debug)]
#[non_exhaustive]
pub struct RegularizerSpec {
    /// The kind as written in model files.
    pub kind: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Its attributes in model files, with their meaning and default.
    pub attributes: &'static [(&'static str, &'static str)],
    /// Reads the attributes of a model file.
    pub parse: fn(toml::Table) -> Result<Arc<dyn Regularizer>, String>,
    /// Configurations over which the law tests run.
    pub samples: &'static [&'static str],
}

/// Looks a kind up in the table.
pub fn find(kind: &str) -> Result<&'static RegularizerSpec> {
    REGULARIZERS.iter().find(|spec| spec.kind == kind).copied().ok_or_else(|| {
        Error::unknown("regularizer", kind, REGULARIZERS.iter().map(|spec| spec.kind))
    })
}

/// Reads `T` from the attributes of a model file; for the `parse` of a row.
fn parse<T: Regularizer + DeserializeOwned + 'static>(
    attributes: toml::Table,
) -> Result<Arc<dyn Regularizer>, String> {
    let regularizer = from_attributes::<T>(attributes)?;
    regularizer.check()?;
    Ok(Arc::new(regularizer))
}

/// What the size of weights costs.
pub trait Regularizer: fmt::Debug + Send + Sync {
    /// The kind as written in model files.
    fn kind(&self) -> &'static str;

    /// The attributes as a model file holds them.
    fn attributes(&self) -> toml::Table;

    /// Says why the settings can't work.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// What some of a parameter's numbers cost; the cost of all is the sum. Zeros must cost nothing,
    /// for they fill up memory.
    fn cost(&self, weights: &[f32]) -> f64;

    /// Adds the derivative of the cost by each of these weights to its place in `gradient`; nothing
    /// for zeros.
    fn add_gradient(&self, weights: &[f32], gradient: &mut [f32]);
}

/// Reads a regularizer as an attribute: a table with its kind.
pub(crate) fn from_value(value: toml::Value) -> Result<Arc<dyn Regularizer>, String> {
    let kinds = REGULARIZERS.iter().map(|spec| spec.kind);
    let (kind, attributes) = kind_and_attributes(value, "a regularizer", kinds)?;
    let spec = find(&kind).map_err(|error| error.to_string())?;
    (spec.parse)(attributes).map_err(|problem| format!("of kind `{kind}`: {problem}"))
}

/// The same as an attribute.
pub(crate) fn to_value(regularizer: &dyn Regularizer) -> toml::Value {
    let mut table = regularizer.attributes();
    table.insert("kind".to_owned(), regularizer.kind().into());
    toml::Value::Table(table)
}

/// Refuses what is not a finite number of at least 0.
fn check_rate(name: &str, rate: f32) -> Result<(), String> {
    if rate.is_finite() && rate >= 0.0 {
        return Ok(());
    }
    Err(format!("`{name}` is {rate}, not a number >= 0"))
}
