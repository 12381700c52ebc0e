//! Images moved by some pixels.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Augmentation, AugmentationSpec, ItemRandom, image_axes, probability};
use crate::attributes::{from_attributes, to_attributes};
use crate::layers::Misfit;
use crate::setters::setters;

/// Its row of the table.
pub(super) static SPEC: AugmentationSpec = AugmentationSpec {
    kind: "shift",
    summary: "moves an image up or down and to one side, by as many whole pixels as chance says; this is what others call a \
              random crop after padding",
    attributes: &[
        ("pixels", "at most so many, in either direction; required"),
        ("fill", "the number that stands where the image was; default 0"),
        ("probability", "how many of the items are moved, from 0 to 1; default 1"),
    ],
    parse: |attributes| Ok(Arc::new(from_attributes::<Shift>(attributes)?)),
    samples: &["pixels = 2", "pixels = 1\nfill = 0.5\nprobability = 0.25"],
};

/// Moves an image by up to `pixels` in either direction along both axes, each distance as likely.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Shift {
    /// At most so many pixels.
    pub pixels: u32,
    /// What stands where the image was.
    #[serde(default, deserialize_with = "crate::attributes::finite")]
    pub fill: f32,
    /// How many of the items are moved.
    #[serde(default = "always", deserialize_with = "probability")]
    pub probability: f64,
}

fn always() -> f64 {
    1.0
}

impl Shift {
    /// Of every item, with zeros where the image was.
    pub fn new(pixels: u32) -> Self {
        Self { pixels, fill: 0.0, probability: 1.0 }
    }

    setters! {
        fill: f32,
        probability: f64,
    }
}

impl Augmentation for Shift {
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
        let [height, width, _] = image_axes(SPEC.kind, shape)?;
        if (self.pixels as usize) < height.min(width) {
            return Ok(());
        }
        Err(Misfit::new(
            format!(
                "augmentation `shift` by {} pixels may leave nothing of {height} x {width}",
                self.pixels
            ),
            "give it fewer `pixels`",
        ))
    }

    fn apply(&self, item: &mut [f32], shape: &[usize], random: &mut ItemRandom) {
        let &[height, width, channels] = shape else { return };
        let most = self.pixels as usize;
        // How far the image is moved down and to the right, less `most`.
        let (down, right) = (random.up_to(2 * most), random.up_to(2 * most));
        let source = item.to_vec();
        item.fill(self.fill);
        let column = right.saturating_sub(most);
        let from = most.saturating_sub(right);
        let columns = width - column - from;
        for row in 0..height {
            let Some(above) = (row + most).checked_sub(down).filter(|&above| above < height) else {
                continue;
            };
            let to = (row * width + column) * channels;
            let at = (above * width + from) * channels;
            item[to..][..columns * channels].copy_from_slice(&source[at..][..columns * channels]);
        }
    }
}
