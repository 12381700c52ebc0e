//! The share of rows whose right class is among the largest scores.

use serde::{Deserialize, Serialize};

use super::{Metric, MetricSpec, parse};
use crate::attributes::to_attributes;
use crate::context::Context;
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Sample};

pub(super) static SPEC: MetricSpec = MetricSpec {
    kind: "top_k",
    summary: "share of rows whose k largest scores include the target's class",
    attributes: &[("k", "how many of the largest scores count, at least 1; default 5")],
    parse: parse::<TopK>,
    samples: &[
        Sample { attributes: "k = 2", inputs: &[&[4], &[]] },
        Sample { attributes: "", inputs: &[&[2, 7], &[2]] },
        Sample { attributes: "k = 1", inputs: &[&[3, 3], &[3, 3]] },
    ],
};

/// Scores of shape `[…, classes]` against class indices of shape `[…]` or one-hot rows of the
/// scores' shape. A row counts if fewer than `k` classes come before the right one: those with
/// larger scores, and those with the same score and a smaller index. With `k = 1` it is the accuracy. A row with
/// a score that is NaN does not count.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopK {
    #[serde(default = "five")]
    k: usize,
}

fn five() -> usize {
    5
}

impl TopK {
    /// Whether the right class is among the `k` largest scores.
    pub fn new(k: usize) -> Self {
        Self { k }
    }
}

impl Metric for TopK {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        let classes = super::check_classes(inputs)?;
        if self.k == 0 || self.k > classes {
            return Err(Misfit::new(
                format!("`k` is {}, but there are {classes} classes", self.k),
                format!("give `k` a value from 1 to {classes}"),
            ));
        }
        Ok(())
    }

    fn statistics(&self, _inputs: &[&[usize]]) -> usize {
        super::SHARE
    }

    fn forward(&self, context: &Context<'_>, statistics: MatrixMut<'_>) -> Result<(), String> {
        super::share_of_rows(context, statistics, |scores, class| {
            let right = scores[class];
            let larger = scores.iter().filter(|&&score| score > right).count();
            let same_before = scores[..class].iter().filter(|&&score| score == right).count();
            larger + same_before < self.k
        })
    }

    fn value(&self, sums: &[f64], _items: usize) -> f64 {
        super::share(sums)
    }

    fn note(&self, sums: &[f64], _items: usize) -> Option<String> {
        super::note_no_number(sums[2])
    }
}
