//! The share of rows whose largest score stands at the right class.

use super::{Metric, MetricSpec, parse_plain};
use crate::context::Context;
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Sample};
use crate::losses::targets::largest;

pub(super) static SPEC: MetricSpec = MetricSpec {
    kind: "accuracy",
    summary: "share of rows whose largest score stands at the target's class (index or one-hot)",
    attributes: &[],
    parse: parse_plain::<Accuracy>,
    samples: &[
        Sample { attributes: "", inputs: &[&[4], &[]] },
        Sample { attributes: "", inputs: &[&[2, 3], &[2]] },
        Sample { attributes: "", inputs: &[&[2, 3], &[2, 3]] },
    ],
};

/// Scores of shape `[…, classes]` against class indices of shape `[…]`, or against one-hot rows of
/// the scores' shape, which name the class where they are largest. Between equal scores the first
/// counts as largest. A row with a score that is NaN counts as wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct Accuracy;

impl Metric for Accuracy {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        super::check_classes(inputs).map(|_| ())
    }

    fn statistics(&self, _inputs: &[&[usize]]) -> usize {
        super::SHARE
    }

    fn forward(&self, context: &Context<'_>, statistics: MatrixMut<'_>) -> Result<(), String> {
        super::share_of_rows(context, statistics, |scores, class| largest(scores) == Some(class))
    }

    fn value(&self, sums: &[f64], _items: usize) -> f64 {
        super::share(sums)
    }

    fn note(&self, sums: &[f64], _items: usize) -> Option<String> {
        super::note_no_number(sums[2])
    }
}
