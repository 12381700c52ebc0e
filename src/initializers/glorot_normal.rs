//! Normal values whose variance suits forward and backward alike.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Fans, Initializer, InitializerSpec, fill_normal, parse};

pub(super) static SPEC: InitializerSpec = InitializerSpec {
    kind: "glorot_normal",
    summary: "normal with standard deviation sqrt(2 / (fan_in + fan_out))",
    attributes: &[],
    parse: parse::<GlorotNormal>,
    samples: &[""],
};

/// Normal with standard deviation `sqrt(2 / (fan_in + fan_out))` (Glorot and Bengio
/// 2010, equation 12).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlorotNormal {}

impl Initializer for GlorotNormal {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn fill(&self, fans: Fans, random: &mut ChaCha8Rng, values: &mut [f32]) {
        fill_normal(
            (2.0 / (fans.fan_in.saturating_add(fans.fan_out).max(1) as f64)).sqrt(),
            random,
            values,
        );
    }
}
