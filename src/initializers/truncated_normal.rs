//! Normal values without the rare large ones.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{
    Fans, Initializer, InitializerSpec, check_deviation, check_finite, parse, standard_normal,
};
use crate::attributes::to_attributes;

pub(super) static SPEC: InitializerSpec = InitializerSpec {
    kind: "truncated_normal",
    summary: "normal with mean and standard deviation; what is beyond 2 deviations is drawn again",
    attributes: &[
        ("mean", "the mean, finite; default 0"),
        ("deviation", "the standard deviation, at least 0; default 0.05"),
    ],
    parse: parse::<TruncatedNormal>,
    samples: &["", "mean = 1.0\ndeviation = 0.5"],
};

/// Normal with this mean and standard deviation, but what is beyond two deviations from the mean is
/// drawn again. That leaves a deviation of 0.8796 times the given one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TruncatedNormal {
    #[serde(default)]
    mean: f32,
    #[serde(default = "default_deviation")]
    deviation: f32,
}

fn default_deviation() -> f32 {
    0.05
}

impl Default for TruncatedNormal {
    fn default() -> Self {
        Self::new(0.0, default_deviation())
    }
}

impl TruncatedNormal {
    /// Around `mean` with this standard deviation.
    pub fn new(mean: f32, deviation: f32) -> Self {
        Self { mean, deviation }
    }
}

impl Initializer for TruncatedNormal {
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
            let mut number = standard_normal(random);
            while number.abs() > 2.0 {
                number = standard_normal(random);
            }
            *value = (mean + deviation * number) as f32;
        }
    }
}
