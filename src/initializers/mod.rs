//! Where the first values of parameters come from: the [`Initializer`] trait and the
//! [`INITIALIZERS`] table.

mod choice;
mod constant;
mod glorot_normal;
mod glorot_uniform;
mod he_normal;
mod he_uniform;
mod lecun_normal;
mod lecun_uniform;
mod normal;
mod ones;
mod orthogonal;
mod truncated_normal;
mod uniform;
mod zeros;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::de::DeserializeOwned;

pub use choice::Choice;
pub use constant::Constant;
pub use glorot_normal::GlorotNormal;
pub use glorot_uniform::GlorotUniform;
pub use he_normal::HeNormal;
pub use he_uniform::HeUniform;
pub use lecun_normal::LecunNormal;
pub use lecun_uniform::LecunUniform;
pub use normal::Normal;
pub use ones::Ones;
pub use orthogonal::Orthogonal;
pub use truncated_normal::TruncatedNormal;
pub use uniform::Uniform;
pub use zeros::Zeros;

use crate::attributes::from_attributes;
use crate::error::{Error, Result};
use crate::random::hash as random_hash;

/// Every initializer kind, in the order of the documentation.
pub const INITIALIZERS: &[&InitializerSpec] = &[
    &glorot_uniform::SPEC,
    &glorot_normal::SPEC,
    &he_uniform::SPEC,
    &he_normal::SPEC,
    &lecun_uniform::SPEC,
    &lecun_normal::SPEC,
    &uniform::SPEC,
    &normal::SPEC,
    &truncated_normal::SPEC,
    &orthogonal::SPEC,
    &zeros::SPEC,
    &ones::SPEC,
    &constant::SPEC,
];

/// One row of the [`INITIALIZERS`] table.
#[derive(Debug)]
#[non_exhaustive]
pub struct InitializerSpec {
    /// The kind as written in model files.
    pub kind: &'static str,
    /// What it gives, in one line.
    pub summary: &'static str,
    /// Its attributes in model files, with their meaning and default.
    pub attributes: &'static [(&'static str, &'static str)],
    /// Reads the attributes of a model file.
    pub parse: fn(toml::Table) -> Result<Arc<dyn Initializer>, String>,
    /// Configurations over which the law tests run.
    pub samples: &'static [&'static str],
}

/// Looks a kind up in the table.
pub fn find(kind: &str) -> Result<&'static InitializerSpec> {
    INITIALIZERS.iter().find(|spec| spec.kind == kind).copied().ok_or_else(|| {
        Error::unknown("initializer", kind, INITIALIZERS.iter().map(|spec| spec.kind))
    })
}

/// Reads `T` from the attributes of a model file; for the `parse` of a row.
fn parse<T: Initializer + DeserializeOwned + 'static>(
    attributes: toml::Table,
) -> Result<Arc<dyn Initializer>, String> {
    let initializer = from_attributes::<T>(attributes)?;
    initializer.check()?;
    Ok(Arc::new(initializer))
}

/// How many numbers a parameter's numbers connect.
#[derive(Clone, Copy, Debug)]
pub struct Fans {
    /// Inputs that one output number sums over.
    pub fan_in: usize,
    /// Outputs that one input number reaches.
    pub fan_out: usize,
}

/// Where the first values of a parameter come from.
pub trait Initializer: fmt::Debug + Send + Sync {
    /// The kind as written in model files.
    fn kind(&self) -> &'static str;

    /// The attributes as a model file holds them.
    fn attributes(&self) -> toml::Table {
        toml::Table::new()
    }

    /// Says why the settings can't work.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Fills `values`, in row-major order.
    fn fill(&self, fans: Fans, random: &mut ChaCha8Rng, values: &mut [f32]);
}

/// A normal number with mean 0 and deviation 1 (Box and Muller 1958).
fn standard_normal(random: &mut ChaCha8Rng) -> f64 {
    // 1 - u is never 0.
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    let angle = std::f64::consts::TAU * random.random::<f64>();
    radius * angle.cos()
}

/// Normal values with mean 0 and this deviation.
fn fill_normal(deviation: f64, random: &mut ChaCha8Rng, values: &mut [f32]) {
    for value in values {
        *value = (deviation * standard_normal(random)) as f32;
    }
}

/// Uniform values within `±limit`.
fn fill_uniform(limit: f64, random: &mut ChaCha8Rng, values: &mut [f32]) {
    let limit = limit as f32;
    for value in values {
        *value = random.random_range(-limit..=limit);
    }
}

/// Refuses what is not a finite number.
fn check_finite(name: &str, number: f32) -> Result<(), String> {
    if number.is_finite() { Ok(()) } else { Err(format!("`{name}` is {number}, not a number")) }
}

/// Refuses what is not a finite number of at least 0.
fn check_deviation(deviation: f32) -> Result<(), String> {
    if deviation.is_finite() && deviation >= 0.0 {
        return Ok(());
    }
    Err(format!("`deviation` is {deviation}, not a number >= 0"))
}

/// The random numbers of the parameter called `name`: a stream of its own, so that a parameter's
/// first values do not depend on which others exist.
pub(crate) fn stream(seed: u64, name: &str) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(random_hash(name));
    random
}
