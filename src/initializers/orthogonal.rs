//! Rows or columns at right angles.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Fans, Initializer, InitializerSpec, check_finite, parse, standard_normal};
use crate::attributes::to_attributes;

pub(super) static SPEC: InitializerSpec = InitializerSpec {
    kind: "orthogonal",
    summary: "a random matrix of orthonormal rows or columns, times gain",
    attributes: &[("gain", "by what the matrix is multiplied, finite; default 1")],
    parse: parse::<Orthogonal>,
    samples: &["", "gain = 2.0"],
};

/// A random matrix whose rows, or columns if these are fewer, are orthonormal, times `gain` (Saxe,
/// `McClelland` and Ganguli 2014): products with it keep lengths. The matrix has as many rows as a number
/// of the output sums over (`fan_in`) and a column for every output, so that a convolution's window
/// counts as one row of channels; a parameter of another size is one row.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Orthogonal {
    #[serde(default = "one")]
    gain: f32,
}

fn one() -> f32 {
    1.0
}

impl Default for Orthogonal {
    fn default() -> Self {
        Self::new(one())
    }
}

impl Orthogonal {
    /// Orthonormal rows or columns times `gain`.
    pub fn new(gain: f32) -> Self {
        Self { gain }
    }
}

/// Makes `count` random vectors of `len` numbers, at least as many, orthonormal: one after another
/// loses its share of those before (Gram and Schmidt, done twice, which is enough to be exact).
fn orthonormal(count: usize, len: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let mut all: Vec<f64> = (0..count * len).map(|_| standard_normal(random)).collect();
    for vector in 0..count {
        let (before, rest) = all.split_at_mut(vector * len);
        let this = &mut rest[..len];
        for _ in 0..2 {
            for other in before.chunks_exact(len) {
                let share: f64 = this.iter().zip(other).map(|(a, b)| a * b).sum();
                this.iter_mut().zip(other).for_each(|(a, b)| *a -= share * b);
            }
            let size = this.iter().map(|a| a * a).sum::<f64>().sqrt();
            if size > 0.0 {
                for a in this.iter_mut() {
                    *a /= size;
                }
            }
        }
    }
    all
}

impl Initializer for Orthogonal {
    fn kind(&self) -> &'static str {
        SPEC.kind
    }

    fn attributes(&self) -> toml::Table {
        to_attributes(self)
    }

    fn check(&self) -> Result<(), String> {
        check_finite("gain", self.gain)
    }

    fn fill(&self, fans: Fans, random: &mut ChaCha8Rng, values: &mut [f32]) {
        let gain = f64::from(self.gain);
        let rows =
            if values.len().is_multiple_of(fans.fan_in.max(1)) { fans.fan_in.max(1) } else { 1 };
        let columns = values.len() / rows;
        let (count, len) = (rows.min(columns), rows.max(columns));
        let vectors = orthonormal(count, len, random);
        for (at, value) in values.iter_mut().enumerate() {
            let (row, column) = (at / columns, at % columns);
            let place = if rows <= columns { row * len + column } else { column * len + row };
            *value = (gain * vectors[place]) as f32;
        }
    }
}
