//! Normal values whose variance suits rectifiers.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Fans, Initializer, InitializerSpec, fill_normal, parse};

pub(super) static SPEC: InitializerSpec = InitializerSpec {
    kind: "he_normal",
    summary: "normal with standard deviation sqrt(2 / fan_in)",
    attributes: &[],
    parse: parse::<HeNormal>,
    samples: &[""],
};

/// Normal with standard deviation `sqrt(2 / fan_in)` (He, Zhang, Ren and Sun 2015,
/// equation 10).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeNormal {}

impl Initializer for HeNormal {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn fill(&self, fans: Fans, random: &mut ChaCha8Rng, values: &mut [f32]) {
        fill_normal((2.0 / fans.fan_in.max(1) as f64).sqrt(), random, values);
    }
}
