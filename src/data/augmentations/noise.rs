//! Numbers with random ones added.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Augmentation, AugmentationSpec, ItemRandom, probability};
use crate::attributes::{from_attributes, to_attributes};
use crate::layers::Misfit;
use crate::setters::setters;

/// Its row of the table.
pub(super) static SPEC: AugmentationSpec = AugmentationSpec {
    kind: "noise",
    summary: "adds a random number of the normal distribution to every number of an item, of whatever shape",
    attributes: &[
        (
            "deviation",
            "the standard deviation of the random numbers, above 0; their mean is 0; required",
        ),
        ("probability", "how many of the items are changed, from 0 to 1; default 1"),
    ],
    parse: |attributes| Ok(Arc::new(from_attributes::<Noise>(attributes)?)),
    samples: &["deviation = 0.1", "deviation = 2.0\nprobability = 0.25"],
};

/// Adds normally distributed numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Noise {
    /// The standard deviation of the numbers.
    #[serde(deserialize_with = "positive")]
    pub deviation: f64,
    /// How many of the items are changed.
    #[serde(default = "always", deserialize_with = "probability")]
    pub probability: f64,
}

fn always() -> f64 {
    1.0
}

fn positive<'de, D: serde::Deserializer<'de>>(source: D) -> Result<f64, D::Error> {
    let number = f64::deserialize(source)?;
    if number > 0.0 && (number as f32).is_finite() {
        return Ok(number);
    }
    let problem = format!("`deviation` is {number}, not a finite number above 0");
    Err(serde::de::Error::custom(problem))
}

impl Noise {
    /// For every item.
    pub fn new(deviation: f64) -> Self {
        Self { deviation, probability: 1.0 }
    }

    setters! {
        probability: f64,
    }
}

impl Augmentation for Noise {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self, _shape: &[usize]) -> Result<(), Misfit> {
        Ok(())
    }

    fn apply(&self, item: &mut [f32], _shape: &[usize], random: &mut ItemRandom) {
        for number in item {
            *number = (f64::from(*number) + self.deviation * random.normal()) as f32;
        }
    }
}
