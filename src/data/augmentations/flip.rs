//! Images mirrored.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Augmentation, AugmentationSpec, ItemRandom, image_axes, probability};
use crate::attributes::{from_attributes, to_attributes};
use crate::layers::Misfit;
use crate::setters::setters;

/// Its row of the table.
pub(super) static SPEC: AugmentationSpec = AugmentationSpec {
    kind: "flip",
    summary: "mirrors an image",
    attributes: &[
        (
            "direction",
            "\"horizontal\", left and right change places, or \"vertical\", top and bottom; default \"horizontal\"",
        ),
        ("probability", "how many of the items are mirrored, from 0 to 1; default 0.5"),
    ],
    parse: |attributes| Ok(Arc::new(from_attributes::<Flip>(attributes)?)),
    samples: &["", "direction = \"vertical\"\nprobability = 0.25"],
};

/// Which sides of an image change places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Direction {
    /// Left and right.
    #[default]
    Horizontal,
    /// Top and bottom.
    Vertical,
}

/// Mirrors an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Flip {
    /// Which sides change places.
    #[serde(default)]
    pub direction: Direction,
    /// How many of the items are mirrored.
    #[serde(default = "half", deserialize_with = "probability")]
    pub probability: f64,
}

fn half() -> f64 {
    0.5
}

impl Default for Flip {
    /// Half of the items, left to right.
    fn default() -> Self {
        Self { direction: Direction::Horizontal, probability: half() }
    }
}

impl Flip {
    setters! {
        direction: Direction,
        probability: f64,
    }
}

impl Augmentation for Flip {
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
        image_axes(SPEC.kind, shape).map(|_| ())
    }

    fn apply(&self, item: &mut [f32], shape: &[usize], _random: &mut ItemRandom) {
        let &[_, width, channels] = shape else { return };
        // Whole rows change places, or pixels within rows.
        let (within, piece) = match self.direction {
            Direction::Horizontal => (width * channels, channels),
            Direction::Vertical => (item.len(), width * channels),
        };
        for block in item.chunks_mut(within) {
            let (mut low, mut high) = (0, block.len() - piece);
            while low < high {
                let (before, after) = block.split_at_mut(high);
                before[low..][..piece].swap_with_slice(&mut after[..piece]);
                low += piece;
                high -= piece;
            }
        }
    }
}
