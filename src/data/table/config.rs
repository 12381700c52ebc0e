//! Which columns feed which node, and how: what model files say beside the shapes of inputs and targets.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use toml::{Table as Toml, Value};

use super::Encoder;
use super::words::{Categories, ImageFit, Scale, Unknown};
use crate::data::{Split, escaped};
use crate::names::suggest;

/// The attributes of inputs and targets beside their shape: name, type, and meaning.
pub(crate) const DATA_ATTRIBUTES: &[(&str, &str, &str)] = &[
    (
        "columns",
        "list of names",
        "the columns of a table that feed the node, in order: names, ranges such as \"px0..px63\", \
         \"others\" for all that no other node takes, and tables such as { column = \"age\", scale = \"standard\" }; \
         default the column of the node's name, or else the last columns for a target and all others for an input",
    ),
    (
        "scale",
        "text",
        "what is done to numbers: \"none\"; \"standard\": less their mean, over their standard deviation; \"min_max\": \
         brought to 0 to 1; mean, deviation, least and largest number are those of the training items; default \"none\"",
    ),
    (
        "missing",
        "text or table",
        "what stands in for a missing value: nothing, with \"refuse\"; the \"mean\" or \"median\" of the training items; \
         { constant = 0.0 }; with \"indicator\" the mean, and one more number that is 1 where a value is missing and 0 \
         elsewhere, or for words a category of its own; default \"refuse\"",
    ),
    (
        "categories",
        "text",
        "for columns of words: \"one_hot\", a number for every word of the training items, or \"index\", the word's place \
         among them, as `embedding` takes it; default none for numbers, \"index\" for classes that are words",
    ),
    (
        "unknown",
        "text",
        "what becomes of words that the training items do not have: \"refuse\", or \"ignore\" for a one-hot row of \
         zeros; default \"refuse\"",
    ),
    (
        "image",
        "text",
        "for a column with the paths of PNG or JPEG images, from the folder of the table on, and a node of height x \
         width x 1, 3 or 4 channels: \"exact\", images must have that size; \"stretch\", height and width are scaled apart; \
         \"crop\", they are scaled to cover it and the middle is kept; \"pad\", they are scaled to fit into black; \
         default \"exact\" in a folder of images, elsewhere no images",
    ),
];

/// The attribute of a table within `columns` that names the column or the range.
const COLUMN: &str = "column";

/// What stands in for a missing value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Missing {
    /// Nothing: the item is refused.
    Refuse,
    /// The mean of the training items.
    Mean,
    /// The median of the training items.
    Median,
    /// The mean, and one more number that says so; for words, a category of its own.
    Indicator,
    /// A number.
    Number(f64),
    /// A word, for columns of words.
    Word(String),
}

/// How columns become numbers. What is not set is as by default.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ColumnOptions {
    /// What is done to numbers.
    pub scale: Option<Scale>,
    /// What stands in for missing values.
    pub missing: Option<Missing>,
    /// How words become numbers.
    pub categories: Option<Categories>,
    /// What becomes of words that are not known.
    pub unknown: Option<Unknown>,
    /// That the column holds paths of images, and how these become as large as the node.
    pub image: Option<ImageFit>,
}

/// Some columns of a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Selector {
    /// A column's name, a range as in `px0..px63`, or `others`.
    pub columns: String,
    /// How they differ from the other columns of the node.
    pub options: ColumnOptions,
}

/// Which columns feed a node.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct NodeColumns {
    /// The columns in order; with none, those by default.
    pub columns: Vec<Selector>,
    /// How all of them become numbers, unless a selector says otherwise.
    pub options: ColumnOptions,
}

/// Which columns of tables feed the inputs and targets of a graph; and, once a network has been trained,
/// what was fitted to the training items.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DataConfig {
    /// By the name of the node. Nodes that are not here have the columns by default.
    pub nodes: BTreeMap<String, NodeColumns>,
    /// What the training left.
    pub fitted: Option<Arc<Fitted>>,
}

/// What training fitted to its data, and how it divided them: what other data need to be treated in the
/// same way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Fitted {
    /// How columns become numbers; nothing for data that are no table.
    pub encoder: Option<Encoder>,
    /// How the data were divided.
    pub split: Split,
    /// [`Table::digest`](super::Table::digest) of the table; nothing for data that are none.
    pub digest: Option<String>,
}

impl DataConfig {
    /// The same without what was fitted.
    #[must_use]
    pub fn unfitted(&self) -> Self {
        Self { nodes: self.nodes.clone(), fitted: None }
    }

    /// What turns tables into numbers, if one was trained on.
    pub fn encoder(&self) -> Option<&Encoder> {
        self.fitted.as_ref().and_then(|fitted| fitted.encoder.as_ref())
    }

    /// Lets a node have other columns, by a text such as `person=age,height,px0..px63`.
    ///
    /// ```
    /// let mut config = caudal::data::DataConfig::default();
    /// config.set_columns("person=age,height")?;
    /// assert_eq!(config.nodes["person"].columns[1].columns, "height");
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn set_columns(&mut self, text: &str) -> Result<(), String> {
        let parts = text.split_once('=').filter(|(node, _)| !node.is_empty());
        let Some((node, columns)) = parts else {
            let shown = escaped(text);
            return Err(format!("`{shown}` names no node; write NODE=COLUMN,..."));
        };
        let columns = columns.split(',').map(|name| Selector {
            columns: name.trim().to_owned(),
            options: ColumnOptions::default(),
        });
        let columns: Vec<Selector> = columns.collect();
        if columns.iter().any(|selector| selector.columns.is_empty()) {
            return Err(format!("`{}` has a column without a name", escaped(text)));
        }
        self.nodes.entry(node.to_owned()).or_default().columns = columns;
        Ok(())
    }
}

impl NodeColumns {
    /// Takes what is said of columns out of the attributes of a node; nothing, if nothing is said.
    pub(crate) fn take(attributes: &mut Toml) -> Result<Option<Self>, String> {
        let columns = match attributes.remove("columns") {
            None => None,
            Some(Value::String(name)) => Some(vec![selector(Value::String(name))?]),
            Some(Value::Array(list)) if !list.is_empty() => {
                Some(list.into_iter().map(selector).collect::<Result<Vec<_>, _>>()?)
            }
            Some(other) => {
                return Err(format!("`columns` is {other}, not a list of columns' names"));
            }
        };
        let options = ColumnOptions::take(attributes)?;
        if columns.is_none() && options == ColumnOptions::default() {
            return Ok(None);
        }
        Ok(Some(Self { columns: columns.unwrap_or_default(), options }))
    }

    /// The attributes as a model file holds them.
    pub(crate) fn attributes(&self) -> Toml {
        let mut attributes = Toml::new();
        if !self.columns.is_empty() {
            let columns = self.columns.iter().map(|selector| {
                let mut options = selector.options.attributes();
                let name = Value::String(selector.columns.clone());
                if options.is_empty() {
                    return name;
                }
                options.insert(COLUMN.to_owned(), name);
                Value::Table(options)
            });
            attributes.insert("columns".to_owned(), Value::Array(columns.collect()));
        }
        attributes.extend(self.options.attributes());
        attributes
    }
}

/// An item of `columns`.
fn selector(value: Value) -> Result<Selector, String> {
    let (columns, options) = match value {
        Value::String(name) => (name, ColumnOptions::default()),
        Value::Table(mut table) => {
            let Some(Value::String(name)) = table.remove(COLUMN) else {
                return Err(format!(
                    "a table in `columns` has no name; write it as in {{ {COLUMN} = \"age\", scale = \
                     \"standard\" }}"
                ));
            };
            let options = ColumnOptions::take(&mut table)?;
            if let Some(key) = table.keys().next() {
                let names =
                    [COLUMN].into_iter().chain(DATA_ATTRIBUTES[1..].iter().map(|row| row.0));
                let advice = suggest(key, names, "keys here");
                return Err(format!("unknown key `{key}` in an item of `columns`; {advice}"));
            }
            (name, options)
        }
        other => return Err(format!("`columns` holds {other}, not a column's name")),
    };
    if columns.is_empty() {
        return Err("`columns` holds an empty name".to_owned());
    }
    Ok(Selector { columns, options })
}

/// The variant that a word stands for.
fn word<T: Copy>(key: &str, value: &Value, all: &[(&str, T)]) -> Result<T, String> {
    let found = value.as_str().and_then(|word| all.iter().find(|(name, _)| *name == word));
    found.map(|(_, variant)| *variant).ok_or_else(|| {
        let names: Vec<String> = all.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        format!("`{key}` is {value}, not one of {}", names.join(", "))
    })
}

impl ColumnOptions {
    fn take(attributes: &mut Toml) -> Result<Self, String> {
        let mut get = |key: &str| attributes.remove(key);
        Ok(Self {
            scale: get("scale").map(|value| word("scale", &value, Scale::ALL)).transpose()?,
            missing: get("missing").map(Missing::read).transpose()?,
            categories: get("categories")
                .map(|value| word("categories", &value, Categories::ALL))
                .transpose()?,
            unknown: get("unknown")
                .map(|value| word("unknown", &value, Unknown::ALL))
                .transpose()?,
            image: get("image").map(|value| word("image", &value, ImageFit::ALL)).transpose()?,
        })
    }

    fn attributes(&self) -> Toml {
        let mut attributes = Toml::new();
        let mut add = |key: &str, name: Option<&str>| {
            let value = name.map(|name| Value::String(name.to_owned()));
            attributes.extend(value.map(|value| (key.to_owned(), value)));
        };
        add("scale", self.scale.map(Scale::name));
        add("categories", self.categories.map(Categories::name));
        add("unknown", self.unknown.map(Unknown::name));
        add("image", self.image.map(ImageFit::name));
        let missing = self.missing.as_ref().map(Missing::write);
        attributes.extend(missing.map(|missing| ("missing".to_owned(), missing)));
        attributes
    }

    /// These, and what is not set as in `others`.
    pub(super) fn or(&self, others: &Self) -> Self {
        Self {
            scale: self.scale.or(others.scale),
            missing: self.missing.clone().or_else(|| others.missing.clone()),
            categories: self.categories.or(others.categories),
            unknown: self.unknown.or(others.unknown),
            image: self.image.or(others.image),
        }
    }
}

impl Missing {
    const WORDS: &'static [(&'static str, u8)] =
        &[("refuse", 0), ("mean", 1), ("median", 2), ("indicator", 3)];

    fn read(value: Value) -> Result<Self, String> {
        if let Value::Table(mut table) = value {
            let constant = table.remove("constant").filter(|_| table.is_empty());
            return match constant {
                Some(Value::Float(number)) if number.is_finite() => Ok(Self::Number(number)),
                Some(Value::Integer(number)) => Ok(Self::Number(number as f64)),
                Some(Value::String(word)) if !word.is_empty() => Ok(Self::Word(word)),
                _ => Err("`missing` is a table without one `constant`, as in { constant = 0.0 }"
                    .to_owned()),
            };
        }
        Ok(match word("missing", &value, Self::WORDS)? {
            0 => Self::Refuse,
            1 => Self::Mean,
            2 => Self::Median,
            _ => Self::Indicator,
        })
    }

    fn write(&self) -> Value {
        let constant = |value| Value::Table(Toml::from_iter([("constant".to_owned(), value)]));
        match self {
            Self::Refuse => Value::String("refuse".to_owned()),
            Self::Mean => Value::String("mean".to_owned()),
            Self::Median => Value::String("median".to_owned()),
            Self::Indicator => Value::String("indicator".to_owned()),
            Self::Number(number) => constant(Value::Float(*number)),
            Self::Word(word) => constant(Value::String(word.clone())),
        }
    }
}
