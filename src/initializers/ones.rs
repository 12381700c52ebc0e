//! Ones.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Fans, Initializer, InitializerSpec, parse};

pub(super) static SPEC: InitializerSpec = InitializerSpec {
    kind: "ones",
    summary: "1 everywhere",
    attributes: &[],
    parse: parse::<Ones>,
    samples: &[""],
};

/// 1 everywhere.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ones {}

impl Initializer for Ones {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn fill(&self, _fans: Fans, _random: &mut ChaCha8Rng, values: &mut [f32]) {
        values.fill(1.0);
    }
}
