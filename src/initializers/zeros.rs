//! Zeros.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Fans, Initializer, InitializerSpec, parse};

pub(super) static SPEC: InitializerSpec = InitializerSpec {
    kind: "zeros",
    summary: "0 everywhere",
    attributes: &[],
    parse: parse::<Zeros>,
    samples: &[""],
};

/// 0 everywhere.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zeros {}

impl Initializer for Zeros {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn fill(&self, _fans: Fans, _random: &mut ChaCha8Rng, values: &mut [f32]) {
        values.fill(0.0);
    }
}
