//! How good predictions are: the [`Metric`] trait and the [`METRICS`] table.
//!
//! To add a metric, write one file that holds everything about it, its `SPEC` included, and add two
//! lines here.

mod accuracy;

use std::fmt;
use std::sync::Arc;

pub use accuracy::Accuracy;

use crate::error::{Error, Result};
use crate::executor::Context;
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Sample, no_attributes};

/// Every metric kind, in the order of the documentation.
pub const METRICS: &[&MetricSpec] = &[&accuracy::SPEC];

/// One row of the [`METRICS`] table.
#[derive(Debug)]
pub struct MetricSpec {
    /// The kind as written in model files.
    pub kind: &'static str,
    /// What it computes, in one line.
    pub summary: &'static str,
    /// Its attributes in model files, with their meaning and default.
    pub attributes: &'static [(&'static str, &'static str)],
    /// Reads the attributes of a model file.
    pub parse: fn(toml::Table) -> Result<Arc<dyn Metric>, String>,
    /// Configurations with fitting item shapes, over which the law tests run.
    pub samples: &'static [Sample],
}

/// Looks a kind up in the table.
pub fn find(kind: &str) -> Result<&'static MetricSpec> {
    METRICS
        .iter()
        .find(|spec| spec.kind == kind)
        .copied()
        .ok_or_else(|| Error::unknown("metric", kind, METRICS.iter().map(|spec| spec.kind)))
}

/// Makes a `T` without attributes; for the `parse` of a row.
#[allow(clippy::needless_pass_by_value)] // the signature of the table
fn parse_plain<T: Metric + Default + 'static>(
    attributes: toml::Table,
) -> Result<Arc<dyn Metric>, String> {
    no_attributes(&attributes)?;
    Ok(Arc::new(T::default()))
}

/// How good a prediction (input 0) is, given a target (input 1).
///
/// Every item adds some numbers to running sums, from which the value over a whole data set follows:
/// no mean of batch means.
pub trait Metric: fmt::Debug + Send + Sync {
    /// The kind as written in model files.
    fn kind(&self) -> &'static str;

    /// The attributes as a model file holds them.
    fn attributes(&self) -> toml::Table;

    /// Whether prediction and target fit.
    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit>;

    /// How many numbers an item adds to the sums.
    fn statistics(&self) -> usize;

    /// Writes the numbers of every item of the part.
    fn forward(&self, context: &Context<'_>, statistics: MatrixMut<'_>) -> Result<(), String>;

    /// The value over `items` items, given the sums of their numbers.
    fn value(&self, sums: &[f64], items: usize) -> f64;
}
