//! Random changes of the items that a network is trained on: the [`AUGMENTATIONS`] table, in which model files and
//! `caudal train --augment` look kinds up.
//!
//! To add a kind, write one file that holds everything about it, its `SPEC` included, and add two lines here: the
//! module and the row of the table.

mod crop;
mod flip;
mod mix_up;
mod noise;
mod random;
mod shift;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::sync::Arc;

pub use crop::Crop;
pub use flip::{Direction, Flip};
pub(crate) use mix_up::{check_mix_up, mix};
pub use noise::Noise;
pub use random::ItemRandom;
pub use shift::Shift;
use toml::Table;

use crate::attributes::kind_and_attributes;
use crate::layers::Misfit;
use crate::names::suggest;
use crate::tensor::describe_shape;

/// Every kind of augmentation.
pub const AUGMENTATIONS: &[&AugmentationSpec] =
    &[&shift::SPEC, &flip::SPEC, &crop::SPEC, &noise::SPEC];

/// A random change of one input of an item, for training alone.
pub trait Augmentation: Debug + Send + Sync {
    /// The name of its row in the [`AUGMENTATIONS`] table.
    fn kind(&self) -> &'static str;

    /// Its attributes as a model file holds them.
    fn attributes(&self) -> Table;

    /// How many of the items it changes, from 0 to 1.
    fn probability(&self) -> f64;

    /// Refuses shapes of items that it can't change: says what is wrong, and what to do.
    fn check(&self, shape: &[usize]) -> Result<(), Misfit>;

    /// Changes the numbers of an item, row-major, whose shape has been checked. Nothing but `random` may decide how.
    fn apply(&self, item: &mut [f32], shape: &[usize], random: &mut ItemRandom);
}

/// One row of the [`AUGMENTATIONS`] table.
#[derive(Debug)]
#[non_exhaustive]
pub struct AugmentationSpec {
    /// What model files call it.
    pub kind: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Its attributes, with their meanings and defaults.
    pub attributes: &'static [(&'static str, &'static str)],
    /// Reads its attributes.
    pub parse: fn(Table) -> Result<Arc<dyn Augmentation>, String>,
    /// Attributes to test and to show it with.
    pub samples: &'static [&'static str],
}

/// The augmentation that a value of a model file stands for: its kind in quotes, or a table with a `kind` and
/// attributes.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn augmentation(value: toml::Value) -> Result<Arc<dyn Augmentation>, String> {
    let kinds = || AUGMENTATIONS.iter().map(|spec| spec.kind);
    let (kind, attributes) = kind_and_attributes(value, "an augmentation", kinds())
        .map_err(|problem| format!("an augmentation: {problem}"))?;
    let Some(spec) = AUGMENTATIONS.iter().find(|spec| spec.kind == kind) else {
        let remedy = suggest(&kind, kinds(), "augmentations");
        return Err(format!("there is no augmentation `{}`; {remedy}", kind.escape_debug()));
    };
    let names = || spec.attributes.iter().map(|(name, _)| *name);
    let unknown = attributes.keys().find(|key| !names().any(|name| name == key.as_str())).cloned();
    (spec.parse)(attributes).map_err(|problem| match unknown {
        Some(key) => {
            let remedy = suggest(&key, names(), "attributes");
            format!("augmentation `{kind}` has no attribute `{}`; {remedy}", key.escape_debug())
        }
        None => format!("augmentation `{kind}`: {problem}"),
    })
}

/// The value of a model file that stands for an augmentation.
///
/// # Errors
/// If it is in no table.
pub(crate) fn value(augmentation: &dyn Augmentation) -> Result<toml::Value, String> {
    let mut table = augmentation.attributes();
    table.insert("kind".to_owned(), toml::Value::String(augmentation.kind().to_owned()));
    let value = toml::Value::Table(table);
    self::augmentation(value.clone())?;
    Ok(value)
}

/// The augmentations in a text such as `shift:pixels=2,flip:probability=0.3`; none in `none`.
///
/// ```
/// let all = caudal::data::parse_augmentations("shift:pixels=2:fill=0.5,flip")?;
/// assert_eq!((all.len(), all[1].kind(), all[1].probability()), (2, "flip", 0.5));
/// assert!(caudal::data::parse_augmentations("flipp").unwrap_err().contains("did you mean `flip`?"));
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// What is wrong with the text.
pub fn parse_augmentations(text: &str) -> Result<Vec<Arc<dyn Augmentation>>, String> {
    if text == "none" {
        return Ok(Vec::new());
    }
    let one = |text: &str| {
        let mut parts = text.split(':');
        let kind = parts.next().unwrap_or_default().trim();
        let mut table = Table::new();
        table.insert("kind".to_owned(), toml::Value::String(kind.to_owned()));
        for setting in parts {
            let Some((name, value)) = setting.split_once('=') else {
                let shown = setting.escape_debug();
                return Err(format!("`{shown}` sets nothing; write KIND:NAME=VALUE"));
            };
            let value = match (value.parse::<i64>(), value.parse::<f64>()) {
                (Ok(whole), _) => toml::Value::Integer(whole),
                (_, Ok(number)) => toml::Value::Float(number),
                _ => toml::Value::String(value.to_owned()),
            };
            table.insert(name.trim().to_owned(), value);
        }
        augmentation(toml::Value::Table(table))
    };
    text.split(',').map(one).collect()
}

/// Height, width and channels of an image.
///
/// # Errors
/// If the shape has other axes.
fn image_axes(kind: &str, shape: &[usize]) -> Result<[usize; 3], Misfit> {
    <[usize; 3]>::try_from(shape).map_err(|_| {
        Misfit::new(
            format!(
                "augmentation `{kind}` changes images, height x width x channels, not items of {}",
                describe_shape(shape)
            ),
            "leave it out here",
        )
    })
}

/// Reads a probability.
fn probability<'de, D: serde::Deserializer<'de>>(source: D) -> Result<f64, D::Error> {
    let number: f64 = serde::Deserialize::deserialize(source)?;
    if (0.0..=1.0).contains(&number) {
        return Ok(number);
    }
    let problem = format!("`probability` is {number}, not a number from 0 to 1");
    Err(serde::de::Error::custom(problem))
}
