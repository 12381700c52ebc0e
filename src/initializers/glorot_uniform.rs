//! Uniform values whose variance suits forward and backward alike.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Fans, Initializer, InitializerSpec, fill_uniform, parse};

pub(super) static SPEC: InitializerSpec = InitializerSpec {
    kind: "glorot_uniform",
    summary: "uniform within ±sqrt(6 / (fan_in + fan_out))",
    attributes: &[],
    parse: parse::<GlorotUniform>,
    samples: &[""],
};

/// Uniform within `±sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio 2010,
/// equation 16).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlorotUniform {}

impl Initializer for GlorotUniform {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn fill(&self, fans: Fans, random: &mut ChaCha8Rng, values: &mut [f32]) {
        fill_uniform(
            (6.0 / (fans.fan_in.saturating_add(fans.fan_out).max(1) as f64)).sqrt(),
            random,
            values,
        );
    }
}
