//! Attributes as model files hold them: tables that types are read from and written to, and what to say
//! of a name that is not known.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};

/// Refuses attributes where there are none.
///
/// # Errors
/// If there is one; names it.
pub fn no_attributes(attributes: &toml::Table) -> Result<(), String> {
    match attributes.keys().next() {
        None => Ok(()),
        Some(key) => Err(format!("unknown attribute `{key}`; it has none")),
    }
}

/// Reads any table row's type from the attributes of a model file.
pub(crate) fn from_attributes<T: DeserializeOwned>(attributes: toml::Table) -> Result<T, String> {
    toml::Value::Table(attributes).try_into().map_err(|error: toml::de::Error| {
        // The problem, and on a line of its own the attribute, where one is to blame.
        error.to_string().trim().replace('\n', " ")
    })
}

/// Reads an attribute that is a finite number.
pub(crate) fn finite<'de, D: Deserializer<'de>>(source: D) -> Result<f32, D::Error> {
    let number = f32::deserialize(source)?;
    if number.is_finite() {
        return Ok(number);
    }
    Err(D::Error::custom(format!("expected a finite number, not {number}")))
}

/// The attributes of any table row's type as a model file holds them.
pub(crate) fn to_attributes<T: Serialize>(value: &T) -> toml::Table {
    // These are structs of numbers, strings and lists, all of which the format can write.
    toml::Table::try_from(value).unwrap_or_default()
}

/// The kind and the attributes of a table row's type that is itself an attribute: its kind in quotes,
/// or a table with a `kind`. `what` is its name with an article.
pub(crate) fn kind_and_attributes(
    value: toml::Value,
    what: &str,
    kinds: impl Iterator<Item = &'static str>,
) -> Result<(String, toml::Table), String> {
    match value {
        toml::Value::String(kind) => Ok((kind, toml::Table::new())),
        toml::Value::Table(mut table) => match table.remove("kind") {
            Some(toml::Value::String(kind)) => Ok((kind, table)),
            Some(other) => Err(format!("its `kind` is {other}, not a string")),
            None => {
                let known: Vec<&str> = kinds.collect();
                Err(format!("it has no `kind`, one of {}", known.join(", ")))
            }
        },
        other => Err(format!("it is {other}, not the name of {what}")),
    }
}
