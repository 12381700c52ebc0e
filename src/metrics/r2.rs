//! The share of the targets' variance that is predicted.

use super::{Metric, MetricSpec, Table, parse_plain};
use crate::context::Context;
use crate::kernels::MatrixMut;
use crate::layers::{Misfit, Sample};

pub(super) static SPEC: MetricSpec = MetricSpec {
    kind: "r2",
    summary: "1 - Σ(target - prediction)² / Σ(target - mean)², the mean over an item's numbers",
    attributes: &[],
    parse: parse_plain::<R2>,
    samples: &[
        Sample { attributes: "", inputs: &[&[3], &[3]] },
        Sample { attributes: "", inputs: &[&[], &[]] },
        Sample { attributes: "", inputs: &[&[2, 3], &[2, 3]] },
    ],
};

/// The coefficient of determination: `1 - Σ(target - prediction)² / Σ(target - mean)²`, where sums
/// and mean are over all items. Prediction and target have one shape; every place in an item has a
/// coefficient of its own (see the details), and the value is the mean of them. Where all targets
/// are the same it is 1 if all predictions are exact, else 0; of a single item, and where a target is infinite or
/// NaN, it is undefined: NaN. (The same as in scikit-learn, which refuses numbers that are not finite.)
#[derive(Clone, Copy, Debug, Default)]
pub struct R2;

/// The sums of a place: how many targets there are, their mean, the sum of squared distances from it, and
/// that of squared errors.
const SUMS: usize = 4;

/// The coefficient from the sums of a place.
fn coefficient(sums: &[f64]) -> f64 {
    let [number, _, spread, errors] = [sums[0], sums[1], sums[2], sums[3]];
    if number < 2.0 {
        f64::NAN
    } else if spread > 0.0 {
        1.0 - errors / spread
    } else if errors.is_nan() || spread.is_nan() {
        f64::NAN
    } else {
        f64::from(errors == 0.0)
    }
}

impl Metric for R2 {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    fn check(&self, inputs: &[&[usize]]) -> Result<(), Misfit> {
        super::check_numbers(inputs)
    }

    fn statistics(&self, inputs: &[&[usize]]) -> usize {
        2 * inputs[0].iter().product::<usize>()
    }

    fn sums(&self, inputs: &[&[usize]]) -> usize {
        SUMS * inputs[0].iter().product::<usize>()
    }

    fn forward(&self, context: &Context<'_>, statistics: MatrixMut<'_>) -> Result<(), String> {
        super::pairs(context, statistics);
        Ok(())
    }

    /// Welford's method: no large squares are subtracted from each other.
    fn add(&self, sums: &mut Vec<f64>, item: &[f32]) {
        for (sums, pair) in sums.chunks_exact_mut(SUMS).zip(item.chunks_exact(2)) {
            let [prediction, target] = [f64::from(pair[0]), f64::from(pair[1])];
            sums[0] += 1.0;
            let apart = target - sums[1];
            sums[1] += apart / sums[0];
            sums[2] += apart * (target - sums[1]);
            sums[3] += (target - prediction) * (target - prediction);
        }
    }

    fn value(&self, sums: &[f64], _items: usize) -> f64 {
        let places = sums.chunks_exact(SUMS);
        let number = places.len().max(1) as f64;
        places.map(coefficient).sum::<f64>() / number
    }

    fn note(&self, sums: &[f64], items: usize) -> Option<String> {
        if items < 2 {
            return Some("it is undefined for a single item".to_owned());
        }
        let undefined = sums.chunks_exact(SUMS).any(|sums| coefficient(sums).is_nan());
        undefined.then(|| "it is undefined, since a number is infinite or none".to_owned())
    }

    fn details(&self, sums: &[f64], _items: usize) -> Option<Table> {
        let places = sums.chunks_exact(SUMS);
        Some(Table {
            rows: "number of an item".to_owned(),
            columns: vec!["r2".to_owned()],
            values: places.map(|sums| vec![coefficient(sums)]).collect(),
        })
    }
}
