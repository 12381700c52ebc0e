//! Normal values.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{
    Fans, Initializer, InitializerSpec, check_deviation, check_finite, parse, standard_normal,
};
use crate::attributes::to_attributes;

pub(super) static SPEC: InitializerSpec = InitializerSpec {
    kind: "normal",
    summary: "normal with mean and standard deviation",
    attributes: &[
        ("mean", "the mean, finite; default 0"),
        ("deviation", "the standard deviation, at least 0; default 0.05"),
    ],
    parse: parse::<Normal>,
    samples: &["", "mean = 1.0\ndeviation = 0.5"],
};

/// Normal with this mean and standard deviation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normal {
    #[serde(default)]
    mean: f32,
    #[serde(default = "default_deviation")]
    deviation: f32,
}

fn default_deviation() -> f32 {
    0.05
}

impl Default for Normal {
    fn default() -> Self {
        Self::new(0.0, default_deviation())
    }
}

impl Normal {
    /// Around `mean` with this standard deviation.
    pub fn new(mean: f32, deviation: f32) -> Self {
        Self { mean, deviation }
    }
}

impl Initializer for Normal {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), String> {
        check_finite("mean", self.mean)?;
        check_deviation(self.deviation)
    }

    fn fill(&self, _fans: Fans, random: &mut ChaCha8Rng, values: &mut [f32]) {
        let [mean, deviation] = [self.mean, self.deviation].map(f64::from);
        for value in values {
            *value = (mean + deviation * standard_normal(random)) as f32;
        }
    }
}
