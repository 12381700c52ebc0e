//! How often each class is taken for each other.

use super::{Metric, MetricSpec, Table, by_class, parse_plain};
use crate::context::Context;
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Sample};

pub(super) static SPEC: MetricSpec = MetricSpec {
    kind: "confusion_matrix",
    summary: "how often each class is taken for each other (a table); its value is the accuracy",
    attributes: &[],
    parse: parse_plain::<ConfusionMatrix>,
    samples: &[
        Sample { attributes: "", inputs: &[&[4], &[]] },
        Sample { attributes: "", inputs: &[&[2, 3], &[2]] },
        Sample { attributes: "", inputs: &[&[3], &[3]] },
    ],
};

/// The most classes: a table of more could not be read, and would slow every report.
const MOST_CLASSES: usize = 1024;

/// Counts rows by right class (a row of the table) and predicted class (a column). Scores of shape
/// `[…, classes]`, the first largest of which is the prediction, against class indices of shape
/// `[…]` or one-hot rows of the scores' shape. The value is the accuracy: the share of rows on the
/// diagonal. A row with a score that is NaN has no predicted class: it counts as wrong, and stands in no cell.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConfusionMatrix;

/// How many classes there are, given the number of sums: one for each cell, and one of the rows without a prediction.
fn side(sums: usize) -> usize {
    (sums - 1).isqrt()
}

impl Metric for ConfusionMatrix {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        let classes = super::check_classes(inputs)?;
        if classes > MOST_CLASSES {
            return Err(Misfit::new(
                format!("there are {classes} classes, too many for a table"),
                format!("use `precision` or `recall` for more than {MOST_CLASSES} classes"),
            ));
        }
        Ok(())
    }

    fn statistics(&self, inputs: &[&[usize]]) -> usize {
        by_class::statistics(inputs)
    }

    fn sums(&self, inputs: &[&[usize]]) -> usize {
        inputs[0].last().map_or(0, |classes| classes * classes) + 1
    }

    fn forward(&self, context: &Context<'_>, statistics: MatrixMut<'_>) -> Result<(), String> {
        by_class::forward(context, statistics)
    }

    fn add(&self, sums: &mut Vec<f64>, item: &[f32]) {
        let classes = side(sums.len());
        for pair in item.chunks_exact(2) {
            let cell = if pair[0].is_nan() {
                classes * classes
            } else {
                pair[1] as usize * classes + pair[0] as usize
            };
            sums[cell] += 1.0;
        }
    }

    fn value(&self, sums: &[f64], _items: usize) -> f64 {
        let classes = side(sums.len());
        let right: f64 = sums[..classes * classes].iter().step_by(classes + 1).sum();
        right / sums.iter().sum::<f64>().max(1.0)
    }

    fn note(&self, sums: &[f64], _items: usize) -> Option<String> {
        by_class::note(sums)
    }

    fn details(&self, sums: &[f64], _items: usize) -> Option<Table> {
        let classes = side(sums.len());
        Some(Table {
            rows: "right class".to_owned(),
            columns: (0..classes).map(|class| class.to_string()).collect(),
            values: sums[..classes * classes]
                .chunks_exact(classes.max(1))
                .map(<[f64]>::to_vec)
                .collect(),
        })
    }
}
