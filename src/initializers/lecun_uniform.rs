//! Uniform values whose variance suits what keeps its variance, as sigmoids and SELU do.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Fans, Initializer, InitializerSpec, fill_uniform, parse};

pub(super) static SPEC: InitializerSpec = InitializerSpec {
    kind: "lecun_uniform",
    summary: "uniform within ±sqrt(3 / fan_in)",
    attributes: &[],
    parse: parse::<LecunUniform>,
    samples: &[""],
};

/// Uniform within `±sqrt(3 / fan_in)` (`LeCun`, Bottou, Orr and Müller 1998, section
/// 4.6).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LecunUniform {}

impl Initializer for LecunUniform {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn fill(&self, fans: Fans, random: &mut ChaCha8Rng, values: &mut [f32]) {
        fill_uniform((3.0 / fans.fan_in.max(1) as f64).sqrt(), random, values);
    }
}
