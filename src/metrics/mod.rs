//! How good predictions are: the [`Metric`] trait and the [`METRICS`] table.
//!
//! To add a metric, write one file that holds everything about it, its `SPEC` included, and add two
//! lines here.

mod accuracy;
mod auc;
mod by_class;
mod confusion_matrix;
mod f1;
mod mae;
mod precision;
mod r2;
mod recall;
mod rmse;
mod top_k;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use accuracy::Accuracy;
pub use auc::Auc;
pub use confusion_matrix::ConfusionMatrix;
pub use f1::F1;
pub use mae::Mae;
pub use precision::Precision;
pub use r2::R2;
pub use recall::Recall;
pub use rmse::Rmse;
pub use top_k::TopK;

use crate::attributes::{from_attributes, no_attributes};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Sample};
use crate::losses::targets::{Form, each_row};
use crate::tensor::describe_shape;

/// Every metric kind, in the order of the documentation.
pub const METRICS: &[&MetricSpec] = &[
    &accuracy::SPEC,
    &top_k::SPEC,
    &precision::SPEC,
    &recall::SPEC,
    &f1::SPEC,
    &confusion_matrix::SPEC,
    &auc::SPEC,
    &rmse::SPEC,
    &mae::SPEC,
    &r2::SPEC,
];

/// One row of the [`METRICS`] table.
#[derive(Debug)]
#[non_exhaustive]
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

/// Reads `T` from the attributes of a model file; for the `parse` of a row.
fn parse<T: Metric + DeserializeOwned + 'static>(
    attributes: toml::Table,
) -> Result<Arc<dyn Metric>, String> {
    parse_into(attributes, |metric: T| metric)
}

/// Makes a metric of what the attributes of a model file say; for the `parse` of a row.
fn parse_into<S: DeserializeOwned, T: Metric + 'static>(
    attributes: toml::Table,
    make: fn(S) -> T,
) -> Result<Arc<dyn Metric>, String> {
    from_attributes(attributes).map(|settings| Arc::new(make(settings)) as Arc<dyn Metric>)
}

/// Rows of an item of this shape.
fn rows(shape: &[usize]) -> usize {
    shape.split_last().map_or(1, |(_, rows)| rows.iter().product())
}

/// How many classes there are, if the target names one of them for every row of scores.
fn check_classes(inputs: &[&[usize]]) -> Result<usize, Misfit> {
    let classes = inputs[0].last().copied().unwrap_or(0);
    if Form::of(inputs, "scores")? == Form::Shares && classes == 1 {
        return Err(Misfit::new(
            "scores and target have one number a row, so that all rows are of one class",
            "give scores for two classes, or use `auc`",
        ));
    }
    Ok(classes)
}

/// Whether prediction and target have one shape.
fn check_numbers(inputs: &[&[usize]]) -> Result<(), Misfit> {
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

/// Numbers of an item that [`share_of_rows`] writes.
const SHARE: usize = 3;

/// Writes for how many of each item's rows `counts`, given scores and class, says so, how many there are, and how
/// many have a score that is no number, which never count: 3 numbers, of whose sums [`share`] divides the first two.
fn share_of_rows(
    context: &Context<'_>,
    mut statistics: MatrixMut<'_>,
    counts: impl Fn(&[f32], usize) -> bool,
) -> Result<(), String> {
    let rows = rows(context.input_shape(0)) as f32;
    let (mut last, mut counted, mut no_number) = (usize::MAX, 0_usize, 0_usize);
    each_row(context, |item, scores, class| {
        if item != last {
            (last, counted, no_number) = (item, 0, 0);
        }
        if scores.iter().any(|score| score.is_nan()) {
            no_number += 1;
        } else {
            counted += usize::from(counts(scores, class));
        }
        let numbers = [counted as f32, rows, no_number as f32];
        statistics.row_mut(item)[..SHARE].copy_from_slice(&numbers);
    })
}

/// What a metric of classes says where `rows` rows have a score that is no number.
fn note_no_number(rows: f64) -> Option<String> {
    let (they, count) = if rows == 1.0 { ("row has", "counts") } else { ("rows have", "count") };
    (rows > 0.0).then(|| format!("{rows} {they} a score that is no number, and {count} as wrong"))
}

/// The share of all rows.
fn share(sums: &[f64]) -> f64 {
    sums[0] / sums[1].max(1.0)
}

/// Adds `error` of each difference between an item's predictions and targets, which [`pairs`] wrote, and
/// their number: 2 sums.
fn add_errors(sums: &mut [f64], item: &[f32], error: impl Fn(f64) -> f64) {
    for pair in item.chunks_exact(2) {
        sums[0] += error(f64::from(pair[0]) - f64::from(pair[1]));
        sums[1] += 1.0;
    }
}

/// Writes every number of the prediction beside that of the target.
fn pairs(context: &Context<'_>, mut statistics: MatrixMut<'_>) {
    let (prediction, target) = (context.input(0), context.input(1));
    let rows = prediction.rows() / context.items().max(1);
    for item in 0..context.items() {
        let numbers = (item * rows..(item + 1) * rows)
            .flat_map(|row| prediction.row(row).iter().zip(target.row(row)));
        for (pair, (p, t)) in statistics.row_mut(item).chunks_exact_mut(2).zip(numbers) {
            pair.copy_from_slice(&[*p, *t]);
        }
    }
}

/// What a metric has to say beside its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// What a row stands for; rows are numbered from 0.
    pub rows: String,
    /// What each column stands for.
    pub columns: Vec<String>,
    /// Row by row.
    pub values: Vec<Vec<f64>>,
}

/// How good a prediction (input 0) is, given a target (input 1).
///
/// Every item has some numbers, its statistics, which are added to running sums, from which the
/// value over a whole data set follows: no mean of batch means.
pub trait Metric: fmt::Debug + Send + Sync {
    /// The kind as written in model files.
    fn kind(&self) -> &'static str;

    /// The attributes as a model file holds them.
    fn attributes(&self) -> toml::Table;

    /// Whether prediction and target fit.
    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit>;

    /// How many numbers there are for an item of inputs of these shapes; at least 1.
    fn statistics(&self, inputs: &[&[usize]]) -> usize;

    /// How many sums there are before the first item, all of them 0.
    fn sums(&self, inputs: &[&[usize]]) -> usize {
        self.statistics(inputs)
    }

    /// Writes the numbers of every item of the part.
    fn forward(&self, context: &Context<'_>, statistics: MatrixMut<'_>) -> Result<(), String>;

    /// Adds the numbers of one item to the sums; as they are, if there are as many. What can't be summed may
    /// be put behind them.
    fn add(&self, sums: &mut Vec<f64>, item: &[f32]) {
        sums.iter_mut().zip(item).for_each(|(sum, &number)| *sum += f64::from(number));
    }

    /// The value over `items` items, at least 1, given the sums over them; NaN where it is undefined, of
    /// which [`Metric::note`] says why.
    fn value(&self, sums: &[f64], items: usize) -> f64;

    /// Whether a higher value is a better one, as for an accuracy; an error is better when lower.
    fn higher_is_better(&self) -> bool {
        true
    }

    /// Why the value is undefined, or by which rule it has one where a quotient has not, from the same
    /// sums.
    fn note(&self, _sums: &[f64], _items: usize) -> Option<String> {
        None
    }

    /// A table, from the same sums.
    fn details(&self, _sums: &[f64], _items: usize) -> Option<Table> {
        None
    }
}
