//! Where the first values of parameters come from: the [`Initializer`] trait and the
//! [`INITIALIZERS`] table.

mod constant;
mod glorot_uniform;
mod he_normal;

use std::fmt;
use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::de::DeserializeOwned;

pub use constant::Constant;
pub use glorot_uniform::GlorotUniform;
pub use he_normal::HeNormal;

use crate::error::{Error, Result};
use crate::layers::from_attributes;
use crate::random::hash as random_hash;

/// Every initializer kind, in the order of the documentation.
pub const INITIALIZERS: &[&InitializerSpec] =
    &[&glorot_uniform::SPEC, &he_normal::SPEC, &constant::SPEC];

/// One row of the [`INITIALIZERS`] table.
#[derive(Debug)]
pub struct InitializerSpec {
    /// The kind as written in model files.
    pub kind: &'static str,
    /// What it gives, in one line.
    pub summary: &'static str,
    /// Its attributes in model files, with their meaning and default.
    pub attributes: &'static [(&'static str, &'static str)],
    /// Reads the attributes of a model file.
    pub parse: fn(toml::Table) -> Result<Arc<dyn Initializer>, String>,
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
    from_attributes::<T>(attributes).map(|it| Arc::new(it) as Arc<dyn Initializer>)
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

    /// Fills `values`, in row-major order.
    fn fill(&self, fans: Fans, random: &mut ChaCha8Rng, values: &mut [f32]);
}

/// The random numbers of the parameter called `name`: a stream of its own, so that a parameter's
/// first values do not depend on which others exist.
pub(crate) fn stream(seed: u64, name: &str) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(random_hash(name));
    random
}
