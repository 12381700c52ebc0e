//! Any number of a range, one as likely as another.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Fans, Initializer, InitializerSpec, check_finite, parse};
use crate::attributes::to_attributes;

pub(super) static SPEC: InitializerSpec = InitializerSpec {
    kind: "uniform",
    summary: "uniform from low to high",
    attributes: &[
        ("low", "the lower bound, finite; default -0.05"),
        ("high", "the upper bound, at least low; default 0.05"),
    ],
    parse: parse::<Uniform>,
    samples: &["", "low = 1.0\nhigh = 3.0"],
};

/// Uniform from `low` to `high`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uniform {
    #[serde(default = "default_low")]
    low: f32,
    #[serde(default = "default_high")]
    high: f32,
}

fn default_low() -> f32 {
    -0.05
}

fn default_high() -> f32 {
    0.05
}

impl Default for Uniform {
    fn default() -> Self {
        Self::new(default_low(), default_high())
    }
}

impl Uniform {
    /// From `low` to `high`.
    pub fn new(low: f32, high: f32) -> Self {
        Self { low, high }
    }
}

impl Initializer for Uniform {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), String> {
        check_finite("low", self.low)?;
        check_finite("high", self.high)?;
        if self.low > self.high {
            return Err(format!("`low` is {}, above `high`, {}", self.low, self.high));
        }
        Ok(())
    }

    fn fill(&self, _fans: Fans, random: &mut ChaCha8Rng, values: &mut [f32]) {
        // In 64 bits, where no range overflows.
        let [low, high] = [f64::from(self.low), f64::from(self.high)];
        for value in values {
            *value = (low + (high - low) * random.random::<f64>()) as f32;
        }
    }
}
