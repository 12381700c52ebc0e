//! An initializer as an attribute of layers.

use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{INITIALIZERS, Initializer, find};
use crate::attributes::kind_and_attributes;

/// An initializer as an attribute of layers: in model files its kind in quotes, as in
/// `initializer = "he_normal"`, or a table with its attributes, as in
/// `initializer = { kind = "normal", deviation = 0.1 }`.
#[derive(Clone, Debug)]
pub struct Choice(Arc<dyn Initializer>);

impl<I: Initializer + 'static> From<I> for Choice {
    fn from(initializer: I) -> Self {
        Self(Arc::new(initializer))
    }
}

impl Choice {
    /// The initializer.
    pub fn get(&self) -> Arc<dyn Initializer> {
        Arc::clone(&self.0)
    }

    fn read(value: toml::Value) -> Result<Self, String> {
        let kinds = INITIALIZERS.iter().map(|spec| spec.kind);
        let (kind, table) = kind_and_attributes(value, "an initializer", kinds)?;
        let spec = find(&kind).map_err(|error| error.to_string())?;
        (spec.parse)(table).map(Self).map_err(|problem| format!("of kind `{kind}`: {problem}"))
    }
}

impl Serialize for Choice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut table = self.0.attributes();
        if table.is_empty() {
            return self.0.kind().serialize(serializer);
        }
        table.insert("kind".to_owned(), self.0.kind().into());
        table.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        Self::read(value).map_err(|problem| D::Error::custom(format!("`initializer`: {problem}")))
    }
}
