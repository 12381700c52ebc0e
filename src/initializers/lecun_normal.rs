//! Normal values whose variance suits what keeps its variance, as sigmoids and SELU do.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Fans, Initializer, InitializerSpec, fill_normal, parse};

pub(super) static SPEC: InitializerSpec = InitializerSpec {
    kind: "lecun_normal",
    summary: "normal with standard deviation sqrt(1 / fan_in)",
    attributes: &[],
    parse: parse::<LecunNormal>,
    samples: &[""],
};

/// Normal with standard deviation `sqrt(1 / fan_in)` (`LeCun`, Bottou, Orr and Müller 1998,
/// section 4.6).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LecunNormal {}

impl Initializer for LecunNormal {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn fill(&self, fans: Fans, random: &mut ChaCha8Rng, values: &mut [f32]) {
        fill_normal((1.0 / fans.fan_in.max(1) as f64).sqrt(), random, values);
    }
}
