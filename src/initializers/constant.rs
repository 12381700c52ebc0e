//! One value everywhere.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Fans, Initializer, InitializerSpec, check_finite, parse};
use crate::attributes::to_attributes;

pub(super) static SPEC: InitializerSpec = InitializerSpec {
    kind: "constant",
    summary: "one value everywhere",
    attributes: &[("value", "the value, finite; default 0")],
    parse: parse::<Constant>,
    samples: &["", "value = 0.5"],
};

/// One value everywhere.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    #[serde(default)]
    value: f32,
}

impl Constant {
    /// `value` everywhere.
    pub fn new(value: f32) -> Self {
        Self { value }
    }
}

impl Initializer for Constant {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), String> {
        check_finite("value", self.value)
    }

    fn fill(&self, _fans: Fans, _random: &mut ChaCha8Rng, values: &mut [f32]) {
        values.fill(self.value);
    }
}
