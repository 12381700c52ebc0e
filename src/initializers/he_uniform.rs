//! Uniform values whose variance suits rectifiers.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Fans, Initializer, InitializerSpec, fill_uniform, parse};

pub(super) static SPEC: InitializerSpec = InitializerSpec {
    kind: "he_uniform",
    summary: "uniform within ±sqrt(6 / fan_in)",
    attributes: &[],
    parse: parse::<HeUniform>,
    samples: &[""],
};

/// Uniform within `±sqrt(6 / fan_in)` (the variance of He, Zhang, Ren and Sun 2015,
/// equation 10).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeUniform {}

impl Initializer for HeUniform {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn fill(&self, fans: Fans, random: &mut ChaCha8Rng, values: &mut [f32]) {
        fill_uniform((6.0 / fans.fan_in.max(1) as f64).sqrt(), random, values);
    }
}
