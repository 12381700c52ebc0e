//! Normal values whose variance suits rectifiers.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Fans, Initializer, InitializerSpec, parse};

pub(super) static SPEC: InitializerSpec = InitializerSpec {
    kind: "he_normal",
    summary: "normal with standard deviation sqrt(2 / fan_in)",
    attributes: &[],
    parse: parse::<HeNormal>,
};

/// Normal with standard deviation `sqrt(2 / fan_in)` (He, Zhang, Ren and Sun 2015, equation 10).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeNormal {}

impl Initializer for HeNormal {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn fill(&self, fans: Fans, random: &mut ChaCha8Rng, values: &mut [f32]) {
        let deviation = (2.0 / fans.fan_in.max(1) as f64).sqrt();
        for value in values {
            // Box and Muller 1958; 1 - u is never 0.
            let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
            let angle = std::f64::consts::TAU * random.random::<f64>();
            *value = (deviation * radius * angle.cos()) as f32;
        }
    }
}
