//! The harmonic mean of precision and recall.

use super::by_class::{self, Counts, Scope};
use super::{Metric, MetricSpec, Table, parse_into};
use crate::attributes::to_attributes;
use crate::context::Context;
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Sample};

pub(super) static SPEC: MetricSpec = MetricSpec {
    kind: "f1",
    summary: "harmonic mean of precision and recall",
    attributes: by_class::ATTRIBUTES,
    parse: |attributes| parse_into(attributes, F1),
    samples: &[
        Sample { attributes: "", inputs: &[&[4], &[]] },
        Sample { attributes: "class = 1", inputs: &[&[2], &[]] },
        Sample { attributes: "", inputs: &[&[2, 3], &[2, 3]] },
    ],
};

/// The harmonic mean of precision and recall: `2 · right / (predicted + actual)`.
///
/// Scores of shape `[…, classes]`, the largest of which is the prediction, against class indices of
/// shape `[…]` or one-hot rows of the scores' shape. By default the value is the mean over all
/// classes that occur among targets or predictions, with [`F1::class`] that of one class. A class
/// with nothing to divide by counts as 0. The details have all measures of every class. (The same
/// as in scikit-learn, with `average="macro"` and `zero_division=0`.)
#[derive(Clone, Copy, Debug, Default)]
pub struct F1(Scope);

impl F1 {
    /// The value of one class alone: of class 1 for a binary decision.
    #[must_use]
    pub fn class(mut self, class: usize) -> Self {
        self.0.class = Some(class);
        self
    }
}

impl Metric for F1 {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(&self.0)
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        self.0.check(inputs)
    }

    fn statistics(&self, inputs: &[&[usize]]) -> usize {
        by_class::statistics(inputs)
    }

    fn sums(&self, inputs: &[&[usize]]) -> usize {
        by_class::sums(inputs)
    }

    fn forward(&self, context: &Context<'_>, statistics: MatrixMut<'_>) -> Result<(), String> {
        by_class::forward(context, statistics)
    }

    fn add(&self, sums: &mut [f64], item: &[f32]) {
        by_class::add(sums, item);
    }

    fn value(&self, sums: &[f64], _items: usize) -> f64 {
        self.0.value(sums, Counts::f1)
    }

    fn details(&self, sums: &[f64], _items: usize) -> Option<Table> {
        Some(by_class::table(sums))
    }
}
