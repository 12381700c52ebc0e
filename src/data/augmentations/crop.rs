//! A part of an image, made as large as the whole.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Augmentation, AugmentationSpec, ItemRandom, image_axes, probability};
use crate::attributes::{from_attributes, to_attributes};
use crate::layers::Misfit;
use crate::setters::setters;

/// Its row of the table.
pub(super) static SPEC: AugmentationSpec = AugmentationSpec {
    kind: "crop",
    summary: "cuts a part out of an image and scales it to the size of the whole, with the bilinear filter",
    attributes: &[
        (
            "least",
            "the least share of height and width that the part has, above 0 to 1, at most 1; chance says how much more, the \
             same of both; required",
        ),
        ("probability", "how many of the items are cropped, from 0 to 1; default 1"),
    ],
    parse: |attributes| Ok(Arc::new(from_attributes::<Crop>(attributes)?)),
    samples: &["least = 0.7", "least = 1.0\nprobability = 0.25"],
};

/// Cuts a part out of an image, at a random place and with a random share of its height and width, and scales it to
/// the size of the whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Crop {
    /// The least share of height and width, above 0 and at most 1.
    #[serde(deserialize_with = "share")]
    pub least: f64,
    /// How many of the items are cropped.
    #[serde(default = "always", deserialize_with = "probability")]
    pub probability: f64,
}

fn always() -> f64 {
    1.0
}

fn share<'de, D: serde::Deserializer<'de>>(source: D) -> Result<f64, D::Error> {
    let number = f64::deserialize(source)?;
    if number > 0.0 && number <= 1.0 {
        return Ok(number);
    }
    Err(serde::de::Error::custom(format!(
        "`least` is {number}, not a number above 0 and at most 1"
    )))
}

impl Crop {
    /// Of every item.
    pub fn new(least: f64) -> Self {
        Self { least, probability: 1.0 }
    }

    setters! {
        probability: f64,
    }
}

impl Augmentation for Crop {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self, shape: &[usize]) -> Result<(), Misfit> {
        image_axes(SPEC.kind, shape)?;
        if self.least > 0.0 && self.least <= 1.0 {
            return Ok(());
        }
        let problem = format!("`least` of augmentation `crop` is {}", self.least);
        Err(Misfit::new(problem, "give it a number above 0 and at most 1"))
    }

    fn apply(&self, item: &mut [f32], shape: &[usize], random: &mut ItemRandom) {
        let &[height, width, channels] = shape else { return };
        let share = self.least + (1.0 - self.least) * random.uniform();
        let rows = Line::new(height, share, random.uniform());
        let columns = Line::new(width, share, random.uniform());
        let source = item.to_vec();
        for (number, numbers) in item.chunks_mut(channels).enumerate() {
            let (above, below, down) = rows.between(number / width);
            let (left, right, across) = columns.between(number % width);
            for (channel, into) in numbers.iter_mut().enumerate() {
                let at = |row: usize, column: usize| {
                    f64::from(source[(row * width + column) * channels + channel])
                };
                let top = at(above, left) * (1.0 - across) + at(above, right) * across;
                let bottom = at(below, left) * (1.0 - across) + at(below, right) * across;
                *into = (top * (1.0 - down) + bottom * down) as f32;
            }
        }
    }
}

/// A part of an axis that is stretched over the whole.
struct Line {
    length: usize,
    share: f64,
    start: f64,
}

impl Line {
    /// `place`, from 0 to 1, says where in what is left over the part begins.
    fn new(length: usize, share: f64, place: f64) -> Self {
        Self { length, share, start: length as f64 * (1.0 - share) * place }
    }

    /// The two pixels between which pixel `at` comes to lie, and how far towards the second. The middle of pixel 0 is
    /// at a half.
    fn between(&self, at: usize) -> (usize, usize, f64) {
        let last = self.length - 1;
        let place = (self.start + (at as f64 + 0.5) * self.share - 0.5).clamp(0.0, last as f64);
        let before = place.floor() as usize;
        (before, (before + 1).min(last), place - before as f64)
    }
}
